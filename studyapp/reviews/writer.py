"""Writing to the log: each act is one transaction that writes the event and the one card that it touches."""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from studyapp.errors import StaleCardError, StoreError
from studyapp.reviews.annotations import valid_note
from studyapp.reviews.cards import CardState, CardTable, study_day
from studyapp.reviews.event_log import EventLog, Moment, of_kinds, plain_seconds
from studyapp.reviews.log import ACTIONS, ANNOTATIONS, OBSERVATIONS, REVERSALS, LogEvent, uuid7, valid_rating
from studyapp.reviews.queries import Queries
from studyapp.reviews.scheduler import Scheduler
from studyapp.reviews.sqlite_errors import guard
from studyapp.settings import Settings

Follows = LogEvent | Moment


@dataclass(frozen=True, slots=True)
class Written:
    """An event that was written, and its card after it."""

    event: LogEvent
    card: CardState


class Writer(Queries):
    """A database of reviews that can be written to, and the only owner of what schedules its cards."""

    def __init__(
        self, path: Path, connection: sqlite3.Connection, settings: Settings, refusal: StoreError | None = None
    ) -> None:
        super().__init__(path, connection, refusal)
        self.configure(settings)
        self._events, self._cards = EventLog(connection), CardTable(connection)

    def configure(self, settings: Settings) -> None:
        """Schedule by these settings from now on; what was reviewed before stays as it was scheduled."""
        self.settings = settings
        self.scheduler = Scheduler(settings)

    @cached_property
    def device(self) -> str:
        """The random id of this database, in each event that was first written here."""
        with guard(self.path):
            return self._events.device()

    def append(self, kind: str, card: str, now: datetime, **said: Any) -> LogEvent:
        """Write one event as `write` does; the event."""
        return self.write(kind, card, now, **said).event

    def write(
        self,
        kind: str,
        card: str,
        now: datetime,
        *,
        expect: CardState | None = None,
        rating: int | None = None,
        seconds: float = 0.0,
        language: str = "en",
        data: Mapping[str, Any] | None = None,
    ) -> Written:
        """Write one event and what it makes of its card, together.

        `expect` is the card as it was shown. An act is never put before what it follows: where the clock was set back,
        a review is refused, and anything else takes the moment of the event before.

        Raises:
            StaleCardError: where the card is not as it was shown; nothing is written.
        """
        if kind not in (*ACTIONS, *ANNOTATIONS, *OBSERVATIONS):
            raise StoreError(
                "{kind!r} is not something to write for a card",
                "One of: {names}.",
                kind=kind, names=', '.join(ACTIONS),
            )
        if kind == "note":
            data = {"text": valid_note(str((data or {}).get("text", "")))}
        rating = valid_rating(rating) if kind == "review" else None
        with self._transaction():
            before = self._cards.get(card)
            if expect is not None and before != expect:
                raise StaleCardError(
                    "{card}: was changed since it was shown",
                    "Nothing was written; look at it again.",
                    card=card,
                )
            last = self._events.last_active(card, ANNOTATIONS if kind in ANNOTATIONS else ACTIONS)
            if kind == "review" and last is not None and now < last.at:
                raise StoreError(
                    "{card}: this review ({now:%Y-%m-%d %H:%M}) would come before its last ({kind}, {at:%Y-%m-%d %H:%M}, UTC)",
                    "Name a time after it, set the clock of this computer right, or take that back: studyapp undo. "
                    "Nothing was written.",
                    card=card, now=now.astimezone(UTC), kind=last.kind, at=last.at,
                )
            values: dict[str, Any] = {"language": language, "seconds": plain_seconds(seconds), "data": data}
            if kind == "review":
                values |= {"rating": rating, "was": before.state, "config": self.scheduler.config(now)}
            event = self._event(kind, card, now, [last], **values)
            self._events.insert(event)
            after = self.scheduler.apply(before, event)
            self._cards.put(after)
        return Written(event, after)

    def reverse(self, kind: str, uid: str, now: datetime) -> LogEvent | None:
        """Undo or redo one event by its uid; the event, or None where there is none or it stands so already."""
        with self._transaction():
            return self._reverse(kind, uid, now)

    def undo(self, now: datetime) -> LogEvent | None:
        """Take back the last thing done with this database; the event taken back, or None where nothing is left."""
        with self._transaction():
            last = self._last_act(standing=True)
            return self._reverse("undo", last.uid, now) if last else None

    def redo(self, now: datetime) -> LogEvent | None:
        """Do again what was last undone, unless something new was done since; the event done again, or None."""
        with self._transaction():
            last = self._last_act(standing=False)
            sql = """SELECT min(undone.seq) FROM undone JOIN events ON events.seq = undone.undo
                WHERE undone.undo > coalesce((SELECT seq FROM events WHERE uid = ?), 0) AND events.device = ?"""
            (seq,) = self._connection.execute(sql, [last.uid if last else "", self.device]).fetchone()
            turned = next(self._events.select("seq = ?", [seq]), None) if seq is not None else None
            return self._reverse("redo", turned.uid, now) if turned else None

    def _rolled_back(self) -> None:
        self._events.forget()

    def _event(self, kind: str, card: str, now: datetime, follows: Sequence[Follows | None], **values: Any) -> LogEvent:
        """An event that stands after those it follows, and of those of its moment after the one written before it."""
        at = max([now.astimezone(UTC), *(each.at for each in follows if each is not None)])
        earlier = (*follows, self._events.last_written())
        before = max((each.uid for each in earlier if each is not None and each.at == at), default=None)
        data = msgspec.json.decode(msgspec.json.encode(values.pop("data", None) or {}))
        return LogEvent(
            uuid7(at, before), kind, card, at, study_day(now, self.settings), device=self.device, data=data, **values
        )

    def _last_act(self, standing: bool) -> LogEvent | None:
        where = f"target IS NULL AND NOT ({of_kinds(OBSERVATIONS)}) AND device = ?"
        where += " AND seq NOT IN (SELECT seq FROM undone)" if standing else ""
        return next(self._events.select(where, [self.device], "seq DESC LIMIT 1"), None)

    def _reverse(self, kind: str, uid: str, now: datetime) -> LogEvent | None:
        """Write an undo or redo of an event and replay the one card that it touches."""
        assert kind in REVERSALS, kind
        turned = next(self._events.select("uid = ? AND target IS NULL", [uid]), None)
        last = self._events.last_reversal(uid)
        if turned is None or (last is not None and last.kind == "undo") == (kind == "undo"):
            return None
        self._events.insert(self._event(kind, turned.card, now, [turned, last], target=uid))
        self._events.settle([uid])
        self._replay(turned.card)
        return turned

    def _replay(self, card: str) -> None:
        state = CardState(card)
        for event in self._events.active(card):
            state = self.scheduler.apply(state, event)
        self._cards.put(state)
