"""Text of others made harmless for a terminal: what a demo prints, a file's name, a key of a file, an exception's words.

Escape sequences can set the title, clear the screen or answer for the user; bidi controls make text read as what it is not.
"""

import re
from typing import Any, TypeVar

T = TypeVar("T")
UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def printable(text: str) -> str:
    r"""`text` in which every control character but tab and newline, bidi control and lone surrogate is written as \u001b.

    JSON stays the same JSON.
    """
    return UNSAFE.sub(_number, text)


def printable_line(text: str) -> str:
    """`text` as one line: newlines and tabs are written as numbers, too."""
    return re.sub(r"[\n\t]", _number, printable(text))


def printable_all(value: T) -> T:
    """A value with every text in it made printable, in tuples, lists and mappings too."""
    cleaned: Any = value
    if isinstance(value, str):
        cleaned = printable(value)
    elif isinstance(value, dict):
        cleaned = {printable_all(k): printable_all(v) for k, v in value.items()}
    elif isinstance(value, tuple | list):
        cleaned = type(value)(printable_all(v) for v in value)
    return cleaned  # type: ignore[no-any-return]


def _number(sign: re.Match[str]) -> str:
    return f"\\u{ord(sign[0]):04x}"
