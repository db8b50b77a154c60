"""The log of what a learner did: events that are only added, each with an identity of its own, and which of them count.

An event is known by its `uid`, so logs of several machines are a union. They are replayed in the order of (at, uid);
an undo or redo names the uid of what it takes back, and the last of them, in that order, decides.
"""

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from hashlib import blake2b
from secrets import randbits, token_hex
from typing import Any

from studyapp.errors import StoreError

ACTIONS = ("review", "suspend", "unsuspend", "bury", "reset", "reschedule")
"""What makes a card what it is."""
ANNOTATIONS = ("star", "unstar", "note")
"""What is noted about a card and changes nothing of it: see `annotations`."""
OBSERVATIONS = ("guess", "interview", "parameters")
"""What changes no card: a number guessed before its evidence, an answer in a mock interview, other weights of FSRS."""
REVERSALS = ("undo", "redo")
TAIL = 74
"""Bits of a UUIDv7 below its time, version and variant left out."""


class RowError(ValueError):
    """Raised for a row of the database that is not as it was written."""


class Rating(IntEnum):
    """How well it was recalled."""

    AGAIN = 1
    HARD = 2
    GOOD = 3
    EASY = 4


def valid_rating(value: object) -> int:
    """One of the four ratings as a plain number.

    Raises:
        StoreError: where it is none.
    """
    if isinstance(value, bool) or value not in tuple(Rating):
        raise StoreError(
            "{value!r} is not a rating",
            "1 again, 2 hard, 3 good, 4 easy. Nothing was written.",
            value=value,
        )
    return int(value)  # type: ignore[call-overload, no-any-return]


@dataclass(frozen=True, slots=True)
class SchedulerConfig:
    """All that decides what a review makes of a card; stored with the event, so later settings change no history."""

    version: str
    parameters: tuple[float, ...]
    desired_retention: float
    learning_steps_minutes: tuple[float, ...]
    relearning_steps_minutes: tuple[float, ...]
    max_interval_days: int
    leech_lapses: int


@dataclass(frozen=True, slots=True)
class LogEvent:
    """One entry of the log.

    Attributes:
        at: when it happened, in UTC.
        day: the study day that it belongs to, fixed when it happened.
        was: of a review, the state that its card was shown in.
        target: of an undo or redo, the uid of the event that it takes back or lets stand again.
        device: the database that it was first written in, a random id.
        data: what belongs to one kind of card, such as the points ticked, an outline, the seed of a drill, or a sitting.
    """

    uid: str
    kind: str
    card: str
    at: datetime
    day: int
    rating: int | None = None
    seconds: float = 0.0
    language: str = "en"
    was: str | None = None
    target: str | None = None
    config: SchedulerConfig | None = None
    device: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def order(self) -> tuple[datetime, str]:
        """Where it stands in every replay."""
        return self.at, self.uid


def active_events(events: Iterable[LogEvent]) -> list[LogEvent]:
    """The events that count, in the order of a replay: no undo or redo, and none that stands undone.

    A kind that this version does not know counts for nothing and is kept.
    """
    listed = sorted(events, key=lambda event: event.order)
    undone = {event.target: event.kind == "undo" for event in listed if event.kind in REVERSALS}
    return [event for event in listed if event.kind in ACTIONS and not undone.get(event.uid)]


def uuid7(at: datetime, after: str | None = None) -> str:
    """A UUIDv7 (RFC 9562 section 5.7) whose 48 bits of time are the milliseconds of `at`.

    It sorts after `after`, if need be by counting that one's random bits on (section 6.2, method 2).
    """
    milliseconds, tail = max(0, int(at.timestamp() * 1000)), randbits(TAIL)
    if after is not None:
        number = int(after.replace("-", ""), 16)
        earlier = number >> 80, (number >> 64 & 0xFFF) << 62 | number & (1 << 62) - 1
        if (milliseconds, tail) <= earlier:
            milliseconds, tail = earlier[0], earlier[1] + 1 + randbits(32)
    return _uuid7(milliseconds + (tail >> TAIL), tail & (1 << TAIL) - 1)


def _uuid7(milliseconds: int, tail: int) -> str:
    number = milliseconds << 80 | 0x7 << 76 | tail >> 62 << 64 | 0b10 << 62 | tail & (1 << 62) - 1
    text = f"{number:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def uuid7_of(at: datetime, number: int, content: bytes) -> str:
    """The UUIDv7 of an event that was written before events had one: two copies of a log give it the same.

    `number` is its place in that log, below 2³²; of events at the same millisecond the higher sorts later.
    """
    digest = int.from_bytes(blake2b(content, digest_size=8).digest(), "big") >> 22
    return _uuid7(max(0, int(at.timestamp() * 1000)), (number & 0xFFFFFFFF) << 42 | digest)


def new_device() -> str:
    """A random id for a database; the computer's own name is nobody's business."""
    return token_hex(8)


def checksum(values: Iterable[object], config: str) -> int:
    """CRC-32 over an event's stored values and the text of its scheduler's configuration: a flipped bit is seen."""
    return zlib.crc32("\x1f".join(map(str, values)).encode("utf-8", "surrogatepass"), zlib.crc32(config.encode()))
