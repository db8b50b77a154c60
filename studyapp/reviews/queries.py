"""What can be asked of a database of reviews without reading its events: counts by day, and what is new."""

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from studyapp.errors import StoreError
from studyapp.reviews.cards import HIDDEN
from studyapp.reviews.habits import Graded
from studyapp.reviews.log import RowError
from studyapp.reviews.siblings import Queued
from studyapp.reviews.sqlite_errors import guard
from studyapp.reviews.stats import Day

NOT_UNDONE = "seq NOT IN (SELECT seq FROM undone)"


@dataclass(frozen=True, slots=True)
class Done:
    """How many reviews of a study day count against its limits: of new cards, and of cards that were due."""

    new: int = 0
    due: int = 0

    def plus(self, was: str | None) -> "Done":
        """After another review of a card that was in that state."""
        return Done(self.new + (was == "new"), self.due + (was == "review"))


@dataclass(frozen=True, slots=True)
class Change:
    """What came into the log: its number there, and what it did."""

    seq: int
    uid: str
    kind: str
    card: str
    day: int
    was: str | None


@dataclass(frozen=True, slots=True)
class Rated:
    """The study day of a review, and its rating."""

    day: int
    rating: int


class Queries:
    """A connection to a database of reviews, and what is counted in it.

    Attributes:
        writable: whether anything can be written; else the file was read into memory as it was.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, refusal: StoreError | None = None) -> None:
        self.path = path
        self.writable = refusal is None
        self._connection = connection
        self._refusal = refusal

    def done_on(self, day: int) -> Done:
        """The reviews of a study day that stand, as they count against the day's limits."""
        sql = f"""SELECT coalesce(sum(was = 'new'), 0), coalesce(sum(was = 'review'), 0) FROM events
            WHERE day = ? AND kind = 'review' AND {NOT_UNDONE}"""
        with guard(self.path):
            return Done(*self._connection.execute(sql, [day]).fetchone())

    def days(self, first: int | None = None, last: int | None = None) -> dict[int, Day]:
        """What was reviewed on each study day from `first` to `last` that has a review."""
        sql = f"""SELECT day, count(*), sum(rating > 1), sum(was = 'review'), sum(was = 'review' AND rating > 1)
            FROM events WHERE kind = 'review' AND {NOT_UNDONE}"""
        bounds = {"day >= ?": first, "day <= ?": last}
        given = {clause: day for clause, day in bounds.items() if day is not None}
        sql += "".join(f" AND {clause}" for clause in given) + " GROUP BY day"
        with guard(self.path):
            rows = self._connection.execute(sql, list(given.values())).fetchall()
            if not all(isinstance(value, int) for row in rows for value in row):
                raise RowError("a study day is no number")
        return {day: Day(*counted) for day, *counted in rows}

    def days_by_kind(self, first: int | None = None) -> dict[str, Day]:
        """What was reviewed since a study day, by the kind of card: what stands in its id after "#", without its name."""
        kind = "substr(card, instr(card, '#') + 1)"
        sql = f"""SELECT CASE instr({kind}, ':') WHEN 0 THEN {kind} ELSE substr({kind}, 1, instr({kind}, ':') - 1) END,
            count(*), sum(rating > 1), sum(was = 'review'), sum(was = 'review' AND rating > 1)
            FROM events WHERE kind = 'review' AND day >= ? AND {NOT_UNDONE} GROUP BY 1"""
        with guard(self.path):
            rows = self._connection.execute(sql, [first if first is not None else -(2**31)]).fetchall()
        return {str(name): Day(*counted) for name, *counted in rows}

    def guesses(self) -> list[tuple[float, float]]:
        """What was guessed of each number before its evidence was seen, and what it was, oldest first."""
        sql = f"""SELECT json_extract(data, '$.value'), json_extract(data, '$.answer') FROM events
            WHERE kind = 'guess' AND {NOT_UNDONE} ORDER BY seq"""
        with guard(self.path):
            return [(float(value), float(answer)) for value, answer in self._connection.execute(sql)]

    def first_day(self) -> int | None:
        """The study day of the first review that was written, undone or not; None before any."""
        with guard(self.path):
            row = self._connection.execute("SELECT day FROM events WHERE kind = 'review' ORDER BY seq LIMIT 1").fetchone()
        return row[0] if row else None

    def latest_seconds(self, reviews: int = 200) -> list[float]:
        """How long the latest reviews took, those that were timed, newest first."""
        sql = f"""SELECT seconds FROM events WHERE kind = 'review' AND seconds > 0 AND {NOT_UNDONE}
            ORDER BY seq DESC LIMIT ?"""
        with guard(self.path):
            return [seconds for (seconds,) in self._connection.execute(sql, [reviews])]

    def seconds_on(self, day: int) -> float:
        """How long the reviews of a study day took, those that stand."""
        sql = f"SELECT coalesce(sum(seconds), 0) FROM events WHERE day = ? AND kind = 'review' AND {NOT_UNDONE}"
        with guard(self.path):
            return float(self._connection.execute(sql, [day]).fetchone()[0])

    def pace(self, cards: int = 200) -> tuple[list[float], list[float]]:
        """Of the latest cards: the seconds that each new one took on its first day, and that each review of one due took."""
        timed = f"FROM events WHERE kind = 'review' AND seconds > 0 AND {NOT_UNDONE}"
        first = f"""SELECT sum(seconds) {timed} AND was IN ('new', 'learning') GROUP BY card, day
            HAVING sum(was = 'new') ORDER BY max(seq) DESC LIMIT ?"""
        due = f"SELECT seconds {timed} AND was = 'review' ORDER BY seq DESC LIMIT ?"
        with guard(self.path):
            run = self._connection.execute
            return [row[0] for row in run(first, [cards])], [row[0] for row in run(due, [cards])]

    def first_ratings(self) -> tuple[int, int, int, int]:
        """How often a new card was rated Again, Hard, Good and Easy."""
        sql = f"SELECT rating, count(*) FROM events WHERE kind = 'review' AND was = 'new' AND {NOT_UNDONE} GROUP BY rating"
        with guard(self.path):
            counts = dict(self._connection.execute(sql).fetchall())
        return counts.get(1, 0), counts.get(2, 0), counts.get(3, 0), counts.get(4, 0)

    def ticks(self) -> list[tuple[str, list[int]]]:
        """The card and the points ticked of every review that stands and at which any point was ticked, oldest first."""
        sql = f"""SELECT card, json_extract(data, '$.ticked') FROM events
            WHERE kind = 'review' AND json_array_length(data, '$.ticked') > 0 AND {NOT_UNDONE} ORDER BY seq"""
        with guard(self.path):
            return [(card, json.loads(ticked)) for card, ticked in self._connection.execute(sql)]

    def rated(self) -> dict[str, list[Rated]]:
        """The reviews of each card that stand, oldest first."""
        sql = f"SELECT card, day, rating FROM events WHERE kind = 'review' AND {NOT_UNDONE} ORDER BY at, uid"
        found: dict[str, list[Rated]] = {}
        with guard(self.path):
            for card, day, rating in self._connection.execute(sql):
                found.setdefault(card, []).append(Rated(day, rating))
        return found

    def graded(self) -> list[Graded]:
        """Every review that stands, in the order of a replay."""
        sql = f"""SELECT card, at, was, rating, json_extract(data, '$.suggested') FROM events
            WHERE kind = 'review' AND {NOT_UNDONE} ORDER BY at, uid"""
        with guard(self.path):
            rows = self._connection.execute(sql).fetchall()
        return [Graded(card, datetime.fromisoformat(at), was or "", rating, suggested) for card, at, was, rating, suggested in rows]

    def since(self, seq: int) -> list[Change]:
        """What came into the log after an event, by this process or another."""
        sql = "SELECT seq, uid, kind, card, day, was FROM events WHERE seq > ? ORDER BY seq"
        with guard(self.path):
            return [Change(*row) for row in self._connection.execute(sql, [seq])]

    def last_seq(self) -> int:
        """The number of the newest event in this file, 0 for an empty log."""
        with guard(self.path):
            return int(self._connection.execute("SELECT coalesce(max(seq), 0) FROM events").fetchone()[0])

    def count(self, table: str) -> int:
        """How many rows `events` or `cards` has."""
        assert table in ("events", "cards"), table
        with guard(self.path):
            return int(self._connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])

    def queued(self, day: int) -> list[Queued]:
        """Every card that has events, as it stands on a study day."""
        with guard(self.path):
            sql = f"SELECT card, state, due_at, due_day, last_day, {HIDDEN}, stability FROM cards"
            return list(map(Queued._make, self._connection.execute(sql, {"day": day})))

    def hidden(self, day: int) -> set[str]:
        """The cards that are suspended, or buried on a study day."""
        with guard(self.path):
            return {card for (card,) in self._connection.execute(f"SELECT card FROM cards WHERE {HIDDEN}", {"day": day})}

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        if self._refusal is not None:
            raise StoreError(self._refusal.message, self._refusal.hint)
        with guard(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                self._rolled_back()
                raise

    def _rolled_back(self) -> None:
        """Called where a transaction was given up."""


