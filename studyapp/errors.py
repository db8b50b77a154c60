"""What can go wrong in a way the user can mend.

StudyError
├── BankError      a question, topic or paper file is not as it must be
├── DemoError      a demo or a claim cannot be found, read or run
├── StoreError     the database of reviews cannot be opened, read or written
├── ExportError    an export could not be written
└── SettingsError  the settings file is not as it must be

Anything else that is raised is a bug and keeps its traceback.
"""

from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str], most: int = 1) -> str:
    """«did you mean …?» where something known is close to `word`, else nothing: the hint of many an error."""
    from difflib import get_close_matches

    close = get_close_matches(word, list(known), n=most, cutoff=0.6)
    return f"did you mean {' or '.join(close)}?" if close else ""


class StudyError(Exception):
    """A failure the user can mend: `message` says where and what, `hint` says how."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class BankError(StudyError):
    """Raised when content of the bank cannot be used."""


class DemoError(StudyError):
    """Raised when a demo or claim is unknown, unreadable, or given a parameter it does not have."""


class StoreError(StudyError):
    """Raised when the database of reviews is damaged, locked, read-only or refuses a change."""


class ExportError(StudyError):
    """Raised when an export has nothing to write or cannot be written."""


class SettingsError(StudyError):
    """Raised when the settings file holds an unknown key or a value out of range."""
