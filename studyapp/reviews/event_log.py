"""The tables of the log: events that are only added, the scheduler's configurations they were made with, what stands undone."""

import json
import math
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from studyapp.errors import Message, StoreError
from studyapp.reviews.cards import to_text
from studyapp.reviews.log import ANNOTATIONS, REVERSALS, LogEvent, RowError, SchedulerConfig, checksum

COLUMNS = (
    "uid", "kind", "card", "at", "day", "rating", "seconds", "language", "was", "target", "config", "device", "data"
)  # fmt: skip
SUMMED = [name for name in COLUMNS if name != "config"]
"""What an event's checksum is made of, beside the text of its configuration: nothing that is numbered by one file alone."""
STANDS = "target IS NULL AND seq NOT IN (SELECT seq FROM undone)"
"""SQL: an event that counts."""


class Moment(NamedTuple):
    """Where an event stands in a replay, and what it was."""

    at: datetime
    uid: str
    kind: str


class EventLog:
    """The log of one database.

    `seq` is the order in which events came into this file, by which one sees what is new; it is no event's identity.
    Reading raises RowError for a row that is not as it was written.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._run = connection.execute
        self._configs: dict[int, tuple[SchedulerConfig, str]] = {}
        self._ids: dict[str, int] = {}

    def device(self) -> str:
        """The random id of this database."""
        return str(self._run("SELECT value FROM about WHERE name = 'device'").fetchone()[0])

    def insert(self, event: LogEvent) -> int:
        """Write an event; its seq. One whose uid is there already is left as it is: 0.

        Raises:
            StoreError: where another event has the same uid.
        """
        config = to_body(event.config) if event.config else ""
        values = [getattr(event, name) for name in COLUMNS]
        row = dict(zip(COLUMNS, values, strict=True))
        row |= {"at": to_text(event.at), "config": self._config_id(config) if config else None}
        row["data"] = msgspec.json.encode(event.data, order="sorted").decode()
        row["crc"] = checksum([row[name] for name in SUMMED], config)
        marks = ", ".join("?" * len(row))
        sql = f"INSERT INTO events ({', '.join(row)}) VALUES ({marks}) ON CONFLICT (uid) DO NOTHING"
        inserted = self._run(sql, list(row.values()))
        if inserted.rowcount:
            return int(inserted.lastrowid or 0)
        there = next(self.select("uid = ?", [event.uid]))
        if replace(there, device="") != replace(event, device=""):  # copies of an older log were each given a device
            hint = Message("One of the two logs is damaged or was changed by hand. Nothing was written.")
            raise StoreError(
                "two different events are called {uid} ({card}, {other})",
                hint,
                uid=event.uid, card=there.card, other=event.card,
            )
        return 0

    def select(self, where: str, values: Sequence[Any] = (), order: str = "at, uid") -> Iterator[LogEvent]:
        """Events, in the order of a replay."""
        sql = f"SELECT {', '.join(COLUMNS)}, crc FROM events WHERE {where} ORDER BY {order}"
        for row in self._run(sql, values):
            yield self._event(row)

    def active(self, card: str) -> Iterator[LogEvent]:
        """The events that count of one card."""
        return self.select(f"card = ? AND {STANDS}", [card])

    def last_active(self, card: str, kinds: Sequence[str]) -> Moment | None:
        """The last event of these kinds that counts of one card."""
        return self._moment(f"card = ? AND {of_kinds(kinds)} AND {STANDS}", card)

    def observing(self, kind: str) -> Iterator[LogEvent]:
        """The observations of a kind that stand, in the order of (at, uid)."""
        return self.select(f"kind = ? AND {STANDS}", [kind])

    def annotating(self, card: str | None = None) -> Iterator[LogEvent]:
        """The stars and notes that count, of one card or of all, in the order of (at, uid)."""
        where, values = f"{of_kinds(ANNOTATIONS)} AND {STANDS}", []
        if card is not None:
            where, values = f"card = ? AND {where}", [card]
        return self.select(where, values)

    def last_reversal(self, uid: str) -> Moment | None:
        """The undo or redo of an event that decides whether it counts."""
        return self._moment("target = ?", uid)

    def last_written(self) -> Moment | None:
        """The event that was written last into this file, by whichever process."""
        return self._moment("seq = (SELECT max(seq) FROM events)")

    def _moment(self, where: str, *values: str) -> Moment | None:
        sql = f"SELECT at, uid, kind FROM events WHERE {where} ORDER BY at DESC, uid DESC LIMIT 1"
        row = self._run(sql, values).fetchone()
        try:
            return Moment(datetime.fromisoformat(row[0]), row[1], row[2]) if row else None
        except ValueError as error:
            raise RowError(f"event {row[1]}: {error}") from error

    def settle(self, uids: Iterable[str]) -> None:
        """Note for each of these events whether it stands undone now."""
        for uid in uids:
            found = self._run("SELECT seq FROM events WHERE uid = ?", [uid]).fetchone()
            if found is None:
                continue
            last = self.last_reversal(uid)
            if last is not None and last.kind == "undo":
                undo = self._run("SELECT seq FROM events WHERE uid = ?", [last.uid]).fetchone()[0]
                self._run("INSERT OR REPLACE INTO undone (seq, undo) VALUES (?, ?)", [found[0], undo])
            else:
                self._run("DELETE FROM undone WHERE seq = ?", [found[0]])

    def undone(self) -> dict[int, int]:
        """What stands undone and by which undo, by seq, as the log has it."""
        kinds = ", ".join(f"'{kind}'" for kind in REVERSALS)
        sql = f"""SELECT turned.seq, events.seq, events.kind FROM events JOIN events AS turned ON turned.uid = events.target
            WHERE events.kind IN ({kinds}) ORDER BY events.at, events.uid"""
        last = {seq: (undo, kind) for seq, undo, kind in self._run(sql)}
        return {seq: undo for seq, (undo, kind) in last.items() if kind == "undo"}

    def _event(self, row: tuple[Any, ...]) -> LogEvent:
        *values, crc = row
        said = dict(zip(COLUMNS, values, strict=True))
        config, body = self._config(said["config"])
        if checksum([said[name] for name in SUMMED], body) != crc:
            raise RowError(f"event {said['uid']} of {said['card']} is not as it was written")
        try:
            said["at"] = datetime.fromisoformat(said["at"]).astimezone(UTC)
            said["data"], said["config"] = msgspec.json.decode(said["data"]), config
            return LogEvent(**said)
        except (msgspec.MsgspecError, ValueError, TypeError, OverflowError) as error:
            raise RowError(f"event {said['uid']} of {said['card']}: {error}") from error

    def _config(self, number: int | None) -> tuple[SchedulerConfig | None, str]:
        if number is None:
            return None, ""
        if number not in self._configs:
            found = self._run("SELECT body FROM configs WHERE id = ?", [number]).fetchone()
            if found is None:
                raise RowError(f"the scheduler's configuration {number} is gone")
            try:
                self._configs[number] = msgspec.json.decode(found[0], type=SchedulerConfig), found[0]
            except (msgspec.MsgspecError, TypeError) as error:
                raise RowError(f"the scheduler's configuration {number}: {error}") from error
        return self._configs[number]

    def forget(self) -> None:
        """Forget what a transaction that was rolled back may have taken away again."""
        self._ids.clear()

    def _config_id(self, body: str) -> int:
        """The number of a configuration, written once."""
        if body not in self._ids:
            found = self._run("SELECT id FROM configs WHERE body = ?", [body]).fetchone()
            inserted = None if found else self._run("INSERT INTO configs (body) VALUES (?)", [body]).lastrowid
            self._ids[body] = int(found[0] if found else inserted or 0)
        return self._ids[body]


def of_kinds(kinds: Sequence[str]) -> str:
    """SQL: an event of one of these kinds; of ANNOTATIONS it is word for word the condition of their index."""
    return f"kind IN ({', '.join(repr(kind) for kind in kinds)})"


@lru_cache(maxsize=64)
def to_body(config: SchedulerConfig) -> str:
    """A configuration as text, the same for the same."""
    return json.dumps(asdict(config), sort_keys=True)


def plain_seconds(seconds: float) -> float:
    """How long an answer took, as the log may hold it: no nan, nothing negative."""
    return float(seconds) if math.isfinite(seconds) and seconds > 0 else 0.0
