"""What a learner noted about a card beside reviewing it: a star and a note, the last said of each.

They are events of the log like any other, so they are merged, backed up and undone as reviews are; they change no schedule.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from studyapp.errors import StoreError
from studyapp.plaintext import UNSAFE
from studyapp.reviews.log import LogEvent, RowError

LONGEST_NOTE = 20_000
"""Characters."""


@dataclass(frozen=True, slots=True)
class Annotation:
    """A star and a note in Markdown, "" without one."""

    starred: bool = False
    note: str = ""

    def __bool__(self) -> bool:
        return self.starred or bool(self.note)


def annotated(events: Iterable[LogEvent]) -> dict[str, Annotation]:
    """By card, what these events come to, which are those that stand, in the order of (at, uid); cards without any are left out.

    Raises:
        RowError: where a note holds no text.
    """
    found: dict[str, Annotation] = {}
    for event in events:
        before = found.get(event.card, Annotation())
        if event.kind == "note":
            text = event.data.get("text")
            if not isinstance(text, str):
                raise RowError(f"event {event.uid} of {event.card}: a note without text")
            found[event.card] = replace(before, note=text)
        elif event.kind in ("star", "unstar"):
            found[event.card] = replace(before, starred=event.kind == "star")
    return {card: annotation for card, annotation in found.items() if annotation}


def valid_note(text: str) -> str:
    """A note as it is kept: without control characters, spaces at line ends, or empty lines around it.

    Raises:
        StoreError: where it is too long.
    """
    plain = UNSAFE.sub("", text.replace("\r\n", "\n").replace("\r", "\n").expandtabs(4))
    plain = "\n".join(line.rstrip() for line in plain.split("\n")).strip("\n")
    if len(plain) > LONGEST_NOTE:
        raise StoreError(
            "the note has {count} characters; at most {most} are kept",
            "Shorten it. Nothing was written.",
            count=len(plain), most=LONGEST_NOTE,
        )
    return plain
