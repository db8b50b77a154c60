"""Every word that the interface, the exports and the command line show, in both languages."""

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any

from studyapp.errors import Message

LANGUAGES = ("en", "zh")


class Translations:
    """The words of one language: `words("home.due", n=3)`.

    A key that is missing is a bug and raises KeyError; the tests compare the two languages, so that none is missing.
    """

    def __init__(self, language: str, texts: Mapping[str, str]) -> None:
        self.language = language
        self._texts = dict(texts)

    @classmethod
    @cache
    def load(cls, language: str) -> "Translations":
        """The words of `language`, from every file of its folder.

        Raises:
            KeyError: for a language that has no folder.
            ValueError: where two files say the same key.
        """
        if language not in LANGUAGES:
            raise KeyError(language)
        texts: dict[str, str] = {}
        folder = resources.files(__name__) / language
        for file in sorted(folder.iterdir(), key=lambda f: f.name):
            if file.name.endswith(".toml"):
                found = dict(_flat(tomllib.loads(file.read_text(encoding="utf-8")), ""))
                if twice := texts.keys() & found.keys():
                    raise ValueError(f"{language}/{file.name} says again: {', '.join(sorted(twice))}")
                texts |= found
        return cls(language, texts)

    def __call__(self, key: str, /, **values: Any) -> str:
        text = self._texts[key]
        return text.format(**values) if values else text

    def count(self, key: str, n: int, /, **values: Any) -> str:
        """The words of `key` for n things: those of `key` with `_one` after it where n is 1."""
        return self(f"{key}_one" if n == 1 else key, n=n, **values)

    def message(self, text: str) -> str:
        """A text of `errors.Message` in this language; one that is none stays as it is, for it is in it already.

        An unknown template is said in English: the tests see to it that there is none.
        """
        if not isinstance(text, Message) or self.language == "en":
            return str(text)
        template = _messages(self.language).get(text.template, text.template)
        values = {name: self.message(value) if isinstance(value, str) else value for name, value in text.values.items()}
        return template.format(**values) if values else template

    def __contains__(self, key: str) -> bool:
        return key in self._texts

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def keys(self) -> list[str]:
        """All keys, in order."""
        return sorted(self._texts)

    def raw(self, key: str) -> str:
        """The text of `key` with its placeholders."""
        return self._texts[key]


@cache
def _messages(language: str) -> dict[str, str]:
    """What the English templates of `errors.Message` are in a language."""
    file = resources.files(__name__) / "messages" / f"{language}.toml"
    return dict(tomllib.loads(file.read_text(encoding="utf-8")))


def _flat(table: Mapping[str, Any], above: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name, value in table.items():
        key = f"{above}{name}"
        found += _flat(value, f"{key}.") if isinstance(value, Mapping) else [(key, str(value))]
    return found
