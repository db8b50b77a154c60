"""What can go wrong in a way the user can mend.

StudyError
├── BankError      a question, topic or paper file is not as it must be
├── DemoError      a demo or a claim cannot be found, read or run
├── StoreError     the database of reviews cannot be opened, read or written
│   ├── DamagedError    … because something in it is not as it was written
│   └── StaleCardError  … because the card was changed since it was shown
├── ExportError    an export could not be written
├── CallError      a command was called in a way that cannot be meant
└── SettingsError  the settings file is not as it must be

Anything else that is raised is a bug and keeps its traceback.
"""

import string
from collections.abc import Iterable, Mapping

LONGEST_GUESSED = 100


class Message(str):
    """A text in English that knows what it was made of, so that a face can say it in another language.

    It reads as its English; `i18n.Translations.message` has the others, by its template.

    Attributes:
        template: the English, with placeholders as of `str.format`.
        values: what stands in their places; a Message among them is said in the same language.
    """

    __slots__ = ("template", "values")

    template: str
    values: Mapping[str, object]

    def __new__(cls, template: str, /, **values: object) -> "Message":
        """Raises KeyError where a placeholder has no value: that is a bug."""
        made = super().__new__(cls, template.format(**values) if values else template)
        made.template, made.values = template, values
        return made


def as_message(text: str) -> Message:
    """A text without placeholders as a Message, so that it is looked up in other languages; a Message as it is."""
    return text if isinstance(text, Message) else Message(text)


def names_of(template: str) -> set[str]:
    """The names of the placeholders of a template."""
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


def _message(text: str, values: Mapping[str, object]) -> Message:
    """A text and the values for its placeholders; one that is a Message already, or has none, stays as it is."""
    if isinstance(text, Message):
        return text
    try:
        names = names_of(text)
    except ValueError:  # a text with braces that is no template
        names = set()
    return Message(text, **{name: values[name] for name in names}) if names and names <= values.keys() else Message(text)


def nearest(word: str, known: Iterable[str], most: int = 1) -> list[str]:
    """What is known and close to `word`, closest first; nothing is to a word too long to be a slip of the finger."""
    from difflib import get_close_matches

    return get_close_matches(word, list(known), n=most, cutoff=0.6) if len(word) <= LONGEST_GUESSED else []


def did_you_mean(word: str, known: Iterable[str], most: int = 1) -> Message:
    """«did you mean …?» where something known is close to `word`, else nothing: the hint of many an error."""
    close = nearest(word, known, most)
    if not close:
        return Message("")
    names = close[0]
    for other in close[1:]:
        names = Message("{first} or {second}", first=names, second=other)
    return Message("did you mean {names}?", names=names)


class StudyError(Exception):
    """A failure the user can mend: `message` says where and what, `hint` says how; a command leaves with `exit_code`.

    Both are English templates with their `values`, which the faces say in the learner's language, or texts that are in it.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "", /, **values: object) -> None:
        self.message, self.hint = _message(message, values), _message(hint, values)
        super().__init__(str(self.message))


class CallError(StudyError):
    """Raised when a command was called wrongly: an option without its value, a time that is none, no terminal."""

    exit_code = 2


class AnswerError(StudyError):
    """Raised when what was typed or chosen is no answer at all, such as 1,25 for a number: nothing was graded."""


class BankError(StudyError):
    """Raised when content of the bank cannot be used."""


class DemoError(StudyError):
    """Raised when a demo or claim is unknown, unreadable, or given a parameter it does not have."""


class StoreError(StudyError):
    """Raised when the database of reviews is damaged, locked, read-only or refuses a change."""


class DamagedError(StoreError):
    """Raised when the database of reviews is damaged; the hint is the way back."""


class StaleCardError(StoreError):
    """Raised when a card was changed since it was shown, such as in another window; nothing was written."""


class ExportError(StudyError):
    """Raised when an export has nothing to write or cannot be written."""


class SettingsError(StudyError):
    """Raised when the settings file holds an unknown key or a value out of range."""
