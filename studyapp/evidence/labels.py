"""Evidence in Chinese: its labels looked up in the demo's own table and among the bank's terms."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from studyapp.evidence.types import Check, Evidence

Item = TypeVar("Item", bound=Evidence | Check)
WORD = re.compile(r"[A-Za-z][A-Za-z0-9_'’]*")
PLACEHOLDER = "{}"
SQUEEZED = re.compile(r"(?<=[\u3000-\u9fff\uff00-\uffef]) (?=[\u3000-\u9fff\uff00-\uffef])")  # a space between Chinese
# Words of formulas and customary names, the same in both languages.
NEUTRAL = frozenset(
    ["log", "exp", "max", "min", "sin", "cos", "tan", "tanh", "arg", "argmax", "softmax", "sigmoid", "ms",
     "token", "tokens", "logits", "query", "queries", "key", "keys", "value", "values"]
)  # fmt: skip


class Labels:
    """The Chinese of labels.

    Args:
        table: a demo's `ZH`; `{}` in a key matches anything, and what it matched, looked up itself, goes where the value has `{}`.
        terms: the bank's terms, English in small letters to Chinese.
    """

    def __init__(self, table: Mapping[str, str], terms: Mapping[str, str]) -> None:
        self._exact = {k: v for k, v in table.items() if PLACEHOLDER not in k}
        self._terms = terms
        patterns = [(k, v) for k, v in table.items() if PLACEHOLDER in k]
        patterns.sort(key=lambda pair: -len(pair[0]))  # the most particular first
        self._patterns = [
            (re.compile("(.+?)".join(map(re.escape, key.split(PLACEHOLDER)))), zh.split(PLACEHOLDER)) for key, zh in patterns
        ]

    def find(self, label: str) -> str | None:
        """The Chinese of a label; itself where it has no word to translate; None where it is missing."""
        if label in self._exact:
            return self._exact[label]
        if (term := self._terms.get(label.casefold())) is not None:
            return term
        if is_neutral(label):
            return label
        for pattern, parts in self._patterns:
            if match := pattern.fullmatch(label):
                filled = [self(group) for group in match.groups()]
                return SQUEEZED.sub("", "".join(a + b for a, b in zip(parts, [*filled, ""], strict=True)))
        return None

    def __call__(self, label: str) -> str:
        """The Chinese of a label, or the label where there is none."""
        chinese = self.find(label)
        return label if chinese is None else chinese

    def translated(self, item: Item) -> Item:
        """Evidence or a check with every label in Chinese; numbers stay as they are."""
        fields: dict[str, Any] = {name: self._said(name, value) for name, value in vars(item).items()}
        return replace(item, **fields)

    def missing(self, items: Iterable[Evidence | Check]) -> list[str]:
        """The labels for which there is no Chinese, each once, in order."""
        found = (label for item in items for label in labels_of(item))
        return [label for label in dict.fromkeys(found) if self.find(label) is None]

    def _said(self, name: str, value: Any) -> Any:
        if name in FIXED:
            return value
        if isinstance(value, str):
            return self(value)
        if isinstance(value, tuple):
            return tuple(self._said("", v) for v in value)
        if isinstance(value, Mapping):
            return {self(k): self._said("", v) for k, v in value.items()}
        return value


FIXED = {"relation", "log"}  # fields that are words of the program, not of the reader


def labels_of(item: Evidence | Check) -> list[str]:
    """Every text of evidence or a check that a reader sees."""

    def texts(value: Any) -> list[str]:
        if isinstance(value, str):
            return [value] if value else []
        if isinstance(value, Mapping):
            return [text for key, inner in value.items() for text in (*texts(key), *texts(inner))]
        return [text for inner in value for text in texts(inner)] if isinstance(value, tuple) else []

    return [text for name, value in vars(item).items() if name not in FIXED for text in texts(value)]


def is_neutral(label: str) -> bool:
    """Whether a label reads the same in both languages: symbols, numbers, identifiers (d_k), names (RoPE, Adam)."""
    return all(
        len(word) == 1 or word in NEUTRAL or "_" in word or word != word.lower() or any(c.isdigit() for c in word)
        for word in WORD.findall(label)
    )


def check_placeholders(table: Mapping[str, str]) -> list[str]:
    """The keys of a `ZH` table whose Chinese has another number of `{}`."""
    return [key for key, zh in table.items() if key.count(PLACEHOLDER) != zh.count(PLACEHOLDER)]
