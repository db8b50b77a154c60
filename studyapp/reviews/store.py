"""The database of reviews: an append-only log of events, and the cards that replay makes of it.

Every change is one transaction that writes the event and the one card it touches, so a killed process loses nothing
and two processes can study at once. The cards are only a copy: `rebuild` makes them again from the log.
"""

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from studyapp.errors import StaleCardError, StoreError
from studyapp.reviews import backup, opening
from studyapp.reviews.cards import CardState, CardTable, Decks, study_day
from studyapp.reviews.event_log import EventLog, Moment, plain_seconds
from studyapp.reviews.log import ACTIONS, REVERSALS, LogEvent, RowError, uuid7, valid_rating
from studyapp.reviews.overview import Overview, overview_of
from studyapp.reviews.queries import Queries
from studyapp.reviews.scheduler import Scheduler, replay
from studyapp.reviews.sqlite_errors import backups_of, guard
from studyapp.settings import Settings

if TYPE_CHECKING:
    from sqlite_utils import Database

Follows = LogEvent | Moment


@dataclass(frozen=True, slots=True)
class Written:
    """An event that was written, and its card after it."""

    event: LogEvent
    card: CardState


@dataclass(frozen=True, slots=True)
class Difference:
    """A card that is not what its events make of it."""

    card: str
    stored: CardState | None
    replayed: CardState | None


class Store(Queries):
    """The reviews of one learner in one file, and the only owner of what schedules them. Made by `Store.open`.

    Attributes:
        notices: what went wrong at opening or in maintenance that keeps nobody from studying.
    """

    def __init__(
        self, path: Path, connection: sqlite3.Connection, settings: Settings, refusal: StoreError | None = None
    ) -> None:
        super().__init__(path, connection, refusal)
        self.notices: list[str] = []
        self.configure(settings)
        self._events, self._cards = EventLog(connection), CardTable(connection)

    @classmethod
    def open(
        cls, path: Path, settings: Settings, now: datetime | None = None, *, background: bool = False, anew: bool = False
    ) -> "Store":
        """Open the file, made where there is none: checked, backed up once a day, and brought up to date.

        Where it cannot be written, it is opened for reading. With `background` the check of a large file and the day's
        backup are left to `maintenance`, which a thread may run. `anew` makes an empty database although backups of
        another are there.
        """
        now = now or datetime.now(UTC)
        connection, refusal = opening.open_database(path, anew=anew)
        store = cls(path, connection, settings, refusal)
        if store.writable and not background:
            try:
                store.notices += opening.maintenance(path, now, connection)
            except BaseException:
                connection.close()
                raise
        return store

    def configure(self, settings: Settings) -> None:
        """Schedule by these settings from now on; what was reviewed before stays as it was scheduled."""
        self.settings = settings
        self.scheduler = Scheduler(settings)

    def maintenance(self, now: datetime | None = None) -> list[str]:
        """Check a large file and make the day's backup, on a connection of its own; what went wrong, for the learner.

        May run in any thread, beside studying.
        """
        if not self.writable:
            return []
        with contextlib.closing(opening.connect(self.path)) as connection:
            return opening.maintenance(self.path, now or datetime.now(UTC), connection)

    @cached_property
    def db(self) -> "Database":
        """The file as sqlite-utils sees it: a tenth of a second to import, so not before it is asked for."""
        from sqlite_utils import Database

        return Database(self._connection)

    @cached_property
    def device(self) -> str:
        """The random id of this database, in each event that was first written here."""
        with guard(self.path):
            return self._events.device()

    def close(self) -> None:
        """Let go of the file."""
        with contextlib.suppress(sqlite3.Error):
            self._connection.close()

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ------------------------------------------------------------------ writing

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
        if kind not in ACTIONS:
            raise StoreError(f"{kind!r} is not something to write for a card", f"One of: {', '.join(ACTIONS)}.")
        rating = valid_rating(rating) if kind == "review" else None
        with self._transaction():
            before = self._cards.get(card)
            if expect is not None and before != expect:
                raise StaleCardError(f"{card}: was changed since it was shown", "Nothing was written; look at it again.")
            last = self._events.last_active(card)
            if kind == "review" and last is not None and now < last.at:
                raise StoreError(
                    f"{card}: this review ({now.astimezone(UTC):%Y-%m-%d %H:%M}) would come before its last "
                    f"({last.kind}, {last.at:%Y-%m-%d %H:%M}, UTC)",
                    "Name a time after it, set the clock of this computer right, or take that back: studyapp undo. "
                    "Nothing was written.",
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

    def rebuild(self) -> int:
        """Make all cards again from the log, and all indexes from their tables; how many cards there are."""
        with self._transaction():
            self._connection.execute("REINDEX")
            self._connection.execute("DELETE FROM undone")
            self._connection.executemany("INSERT INTO undone (seq, undo) VALUES (?, ?)", self._events.undone().items())
            self._connection.execute("DELETE FROM cards")
            for card in self._logged_cards():
                self._replay(card)
        return self.count("cards")

    def copy_tables(self, source: sqlite3.Connection, tables: Mapping[str, Sequence[str]]) -> None:
        """Take the rows of these tables and columns from another file, over those that are here."""
        with self._transaction():
            for table, columns in tables.items():
                named = ", ".join(columns)
                sql = f"INSERT OR REPLACE INTO {table} ({named}) VALUES ({', '.join('?' * len(columns))})"
                self._connection.executemany(sql, source.execute(f"SELECT {named} FROM {table}"))

    def differences(self) -> Iterator[Difference]:
        """The cards that are not what a replay of the log makes of them, and those with a wrong note of what was undone.

        Raises:
            DamagedError: where the log cannot be read.
        """
        run = self._connection.execute
        with guard(self.path):
            wrong = dict(run("SELECT seq, undo FROM undone")).keys() ^ self._events.undone().keys()
            doubtful = {card for (card,) in run(f"SELECT card FROM events WHERE seq IN ({','.join(map(str, wrong))})")}
            logged = self._logged_cards()
        for card in logged:
            with guard(self.path):
                events = list(self._events.select("card = ?", [card]))
            replayed, stored = replay(self.scheduler, events)[card], self._stored(card)
            if stored != replayed or card in doubtful:
                yield Difference(card, stored, replayed)
        with guard(self.path):
            strays = [card for (card,) in run("SELECT card FROM cards WHERE card NOT IN (SELECT card FROM events)")]
        yield from (Difference(card, self._stored(card), None) for card in strays)

    def missing(self, uids: Iterable[str]) -> list[str]:
        """Those of these uids that the log does not hold."""
        with guard(self.path):
            known = {uid for (uid,) in self._connection.execute("SELECT uid FROM events")}
        return [uid for uid in uids if uid not in known]

    def index_faults(self) -> list[str]:
        """Where SQLite's full check finds an index that is not what its table makes of it: counts may be wrong by it."""
        with guard(self.path):
            found = [text for (text,) in self._connection.execute("PRAGMA integrity_check(20)")]
        return [] if found == ["ok"] else found

    def take_in(self, events: Iterable[LogEvent]) -> int:
        """Write events of another log that are not here yet and make their cards again; how many were new."""
        cards: dict[str, None] = {}
        turned: dict[str, None] = {}
        new = 0
        with self._transaction():
            for event in events:
                if not self._events.insert(event):
                    continue
                new += 1
                cards[event.card] = None
                turned[event.target or event.uid] = None
            self._events.settle(turned)
            for card in cards:
                self._replay(card)
        return new

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
        where = "target IS NULL AND device = ?" + (" AND seq NOT IN (SELECT seq FROM undone)" if standing else "")
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

    def _stored(self, card: str) -> CardState | None:
        """A card as it stands in the table; None where it cannot be read."""
        try:
            return self._cards.get(card)
        except (RowError, sqlite3.Error, UnicodeDecodeError):
            return None

    def _logged_cards(self) -> list[str]:
        return [card for (card,) in self._connection.execute("SELECT DISTINCT card FROM events ORDER BY card")]

    # ------------------------------------------------------------------ reading

    def card(self, card: str) -> CardState:
        """One card; new where it has no events."""
        with guard(self.path):
            return self._cards.get(card)

    def cards(self) -> dict[str, CardState]:
        """All cards that have events."""
        with guard(self.path):
            return {state.card: state for state in self._cards.all()}

    def events(self, card: str | None = None) -> list[LogEvent]:
        """The log in the order of a replay, of one card or all of it, undone events and their undos included."""
        with guard(self.path):
            return list(self._events.select("card = ?", [card]) if card is not None else self._events.select("1"))

    def overview(self, decks: Decks, now: datetime) -> Overview:
        """What waits in each deck and in all of them, how much is remembered, and the days to come: all that Home shows.

        Counted by one pass over an index, however many cards there are; within the day's limits it is what sittings
        over the same cards would count.
        """
        with guard(self.path):
            day = study_day(now, self.settings)
            if self.writable and self._cards.unassigned(decks):
                with self._transaction():
                    self._cards.assign(decks)
            ahead = now + self.settings.learn_ahead
            rows = list(self._cards.deck_rows(decks, self.scheduler.forgetting(), day, ahead))
        return overview_of(decks, rows, self.done_on(day), day, self.settings)

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[None]:
        """What is read within is read of one moment, whatever another process writes meanwhile."""
        with guard(self.path):
            self._connection.execute("BEGIN")
            try:
                yield
            finally:
                self._connection.execute("COMMIT")

    # ------------------------------------------------------------------ keeping it safe

    def backup(self, dest: Path | None = None) -> Path:
        """Copy the database whole, as it is now, to `dest` or to the next free name among the backups."""
        folder = self.path.parent / "backups"
        return backup.copy(self._connection, dest or backup.free(folder / f"{self.path.stem}-copy.db"))

    def backups(self) -> list[Path]:
        """The backups beside the database, newest first."""
        return backups_of(self.path)
