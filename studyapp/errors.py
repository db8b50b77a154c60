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

from collections.abc import Iterable

LONGEST_GUESSED = 100


def nearest(word: str, known: Iterable[str], most: int = 1) -> list[str]:
    """What is known and close to `word`, closest first; nothing is to a word too long to be a slip of the finger."""
    from difflib import get_close_matches

    return get_close_matches(word, list(known), n=most, cutoff=0.6) if len(word) <= LONGEST_GUESSED else []


def did_you_mean(word: str, known: Iterable[str], most: int = 1) -> str:
    """«did you mean …?» where something known is close to `word`, else nothing: the hint of many an error."""
    close = nearest(word, known, most)
    return f"did you mean {' or '.join(close)}?" if close else ""


class StudyError(Exception):
    """A failure the user can mend: `message` says where and what, `hint` says how; a command leaves with `exit_code`."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class CallError(StudyError):
    """Raised when a command was called wrongly: an option without its value, a time that is none, no terminal."""

    exit_code = 2


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
