"""The database of reviews: an append-only log of events, and the cards that replay makes of it.

Every change is one transaction that writes the event and the one card it touches, so a killed process loses nothing
and two processes can study at once. The cards are only a copy: `rebuild` makes them again from the log.
"""

import contextlib
import json
import platform
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields, replace
from datetime import UTC, date, datetime
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studyapp.errors import StoreError
from studyapp.reviews import backup
from studyapp.reviews.backup import ELSEWHERE, backups_of, connect, free, guard, sound, thinned
from studyapp.reviews.scheduler import ACTIONS, CardState, LogEvent, Rating, Scheduler, SchedulerConfig, study_day
from studyapp.reviews.stats import Day
from studyapp.settings import Settings

if TYPE_CHECKING:
    from sqlite_utils import Database

CARD = [field.name for field in fields(CardState)]
EVENT = [field.name for field in fields(LogEvent)]
COLUMNS = ["recipe" if name == "config" else name for name in EVENT]
ALWAYS_CHECKED = 16 * 2**20
"""Bytes up to which a file is checked at every opening (a tenth of a second); a larger one once a day, before its backup."""
MIGRATIONS = ("m001_log_and_cards",)
"""Those of `migrations`, by name: a file that has them all needs no look at `migrations`."""


class Store:
    """The reviews of one learner in one file. Made by `Store.open`."""

    def __init__(self, path: Path, connection: sqlite3.Connection, settings: Settings) -> None:
        self.path = path
        self.settings = settings
        self.scheduler = Scheduler(settings)
        self.notices: list[str] = []  # what went wrong at opening that does not keep anyone from studying
        self._connection = connection
        self._recipes: dict[int, SchedulerConfig] = {}
        self._log: list[LogEvent] = []
        self._device = platform.node()

    @cached_property
    def db(self) -> "Database":
        """The file as sqlite-utils sees it: a tenth of a second to import, so not before it is asked for."""
        from sqlite_utils import Database

        return Database(self._connection)

    @classmethod
    def open(cls, path: Path, settings: Settings, now: datetime | None = None) -> "Store":
        """Open the file, made where there is none: checked, backed up once a day, and brought up to date."""
        now = now or datetime.now(UTC)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"{path.parent}: cannot be made: {error.strerror}", ELSEWHERE) from error
        with guard(path):
            connection = connect(path)
        store = cls(path, connection, settings)
        try:
            with guard(path):
                if path.stat().st_size <= ALWAYS_CHECKED or not store._todays_backup(now).exists():
                    sound(connection, path)
                store._migrate(now)
            store._daily_backup(now)
        except BaseException:
            connection.close()
            raise
        return store

    def close(self) -> None:
        """Let go of the file."""
        with contextlib.suppress(sqlite3.Error):
            self._connection.close()

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ------------------------------------------------------------------ writing

    def append(self, kind: str, card: str, now: datetime, *, expect: int | None = None, **said: Any) -> LogEvent:
        """Write one event and what it makes of its card, together.

        `expect` is the `seq` of the card as it was shown; where it has moved on since, nothing is written.
        """
        if kind not in ACTIONS:
            raise StoreError(f"{kind!r} is not something to write for a card", f"One of: {', '.join(ACTIONS)}.")
        if kind == "review":
            said["rating"] = _rating(said.get("rating"))
        with self._transaction():
            before = self.card(card)
            if expect is not None and before.seq != expect:
                raise StoreError(f"{card}: was changed since it was shown", "Nothing was written; look at it again.")
            if kind == "review":
                if before.last_at is not None and now < before.last_at:
                    raise StoreError(
                        f"{card}: this review ({now:%Y-%m-%d %H:%M}) would come before its last "
                        f"({before.last_at:%Y-%m-%d %H:%M}, UTC)",
                        "Name a time after it, or set the clock of this computer right. Nothing was written.",
                    )
                said["was"], said["config"] = before.state, self.scheduler.config
            event = self._insert(LogEvent(0, kind, card, now, study_day(now, self.settings), **said))
            self._put(self.scheduler.apply(before, event))
        return event

    def undo(self, now: datetime) -> LogEvent | None:
        """Take back the last thing done; the event taken back, or None where nothing is left."""
        with self._transaction():
            sql = "SELECT seq FROM events WHERE target IS NULL AND seq NOT IN (SELECT target FROM undone)"
            row = self._connection.execute(f"{sql} ORDER BY seq DESC LIMIT 1").fetchone()
            return self._append_reversal("undo", row[0], now) if row else None

    def redo(self, now: datetime) -> LogEvent | None:
        """Do again what was last undone, unless something new was done since; the event done again, or None."""
        with self._transaction():
            last = self._connection.execute("SELECT seq FROM events WHERE target IS NULL ORDER BY seq DESC LIMIT 1")
            newest = (last.fetchone() or (0,))[0]
            row = self._connection.execute("SELECT min(target) FROM undone WHERE undo > ?", [newest]).fetchone()
            return self._append_reversal("redo", row[0], now) if row[0] is not None else None

    def rebuild(self) -> int:
        """Make all cards again from the log; how many there are."""
        with self._transaction():
            run = self._connection.execute
            run("DELETE FROM undone")
            for seq, kind, target in run("SELECT seq, kind, target FROM events WHERE target IS NOT NULL ORDER BY seq"):
                if kind == "undo":
                    run("INSERT OR REPLACE INTO undone VALUES (?, ?)", [target, seq])
                else:
                    run("DELETE FROM undone WHERE target = ?", [target])
            cards: dict[str, CardState] = {}
            for event in self._active_events():
                cards[event.card] = self.scheduler.apply(cards.get(event.card) or CardState(event.card), event)
            run("DELETE FROM cards")
            for card, seq in run("SELECT card, max(seq) FROM events GROUP BY card").fetchall():
                self._put(replace(cards.get(card) or CardState(card), seq=seq))
        return self.count("cards")

    def _append_reversal(self, kind: str, target: int, now: datetime) -> LogEvent:
        """Write an undo or redo of an event and replay the one card that it touches."""
        turned = next(self._select("seq = ?", [target]))
        made = self._insert(LogEvent(0, kind, turned.card, now, study_day(now, self.settings), target=target))
        if kind == "undo":
            self._connection.execute("INSERT INTO undone VALUES (?, ?)", [target, made.seq])
        else:
            self._connection.execute("DELETE FROM undone WHERE target = ?", [target])
        state = CardState(turned.card)
        for event in self._active_events(turned.card):
            state = self.scheduler.apply(state, event)
        self._put(replace(state, seq=made.seq))
        return turned

    def _insert(self, event: LogEvent) -> LogEvent:
        event = replace(event, at=event.at.astimezone(UTC), ticked=tuple(event.ticked), device=self._device)
        values = [getattr(event, name) for name in EVENT]
        row = dict(zip(COLUMNS, values, strict=True))
        row |= {"seq": None, "at": _text(event.at), "ticked": json.dumps(event.ticked)}
        row["recipe"] = self._recipe_id(event.config) if event.config else None
        marks = ", ".join("?" * len(EVENT))
        made = self._connection.execute(f"INSERT INTO events ({', '.join(COLUMNS)}) VALUES ({marks})", list(row.values()))
        assert made.lastrowid is not None
        return replace(event, seq=made.lastrowid)

    def _put(self, state: CardState) -> None:
        values = [getattr(state, name) for name in CARD]
        values = [_text(value) if isinstance(value, datetime) else value for value in values]
        self._connection.execute(f"INSERT OR REPLACE INTO cards VALUES ({', '.join('?' * len(CARD))})", values)

    # ------------------------------------------------------------------ reading

    def card(self, card: str) -> CardState:
        """One card; new where it has no events."""
        with guard(self.path):
            row = self._connection.execute("SELECT * FROM cards WHERE card = ?", [card]).fetchone()
        return _card(row) if row else CardState(card)

    def cards(self) -> dict[str, CardState]:
        """All cards that have events."""
        with guard(self.path):
            return {row[0]: _card(row) for row in self._connection.execute("SELECT * FROM cards")}

    def events(self, card: str | None = None) -> list[LogEvent]:
        """The log in order, of one card or all of it, undone events and their undos included."""
        with guard(self.path):
            if card is not None:
                return list(self._select("card = ?", [card]))
            self._log.extend(self._select("seq > ?", [self._log[-1].seq if self._log else 0]))  # a log only grows
            return list(self._log)

    def reviews_of(self, day: int) -> list[tuple[int, str]]:
        """The reviews of a study day that stand: each seq and the state its card was in before."""
        sql = """SELECT seq, was FROM events WHERE day = ? AND kind = 'review'
            AND seq NOT IN (SELECT target FROM undone)"""
        with guard(self.path):
            return list(self._connection.execute(sql, [day]))

    def days(self, first: int | None = None, last: int | None = None) -> dict[int, Day]:
        """What was reviewed on each study day from `first` to `last` that has a review."""
        sql = """SELECT day, count(*), sum(rating > 1), sum(was = 'review'), sum(was = 'review' AND rating > 1)
            FROM events WHERE kind = 'review' AND seq NOT IN (SELECT target FROM undone)"""
        bounds = {"day >= ?": first, "day <= ?": last}
        given = {clause: day for clause, day in bounds.items() if day is not None}
        sql += "".join(f" AND {clause}" for clause in given) + " GROUP BY day"
        with guard(self.path):
            return {day: Day(*counted) for day, *counted in self._connection.execute(sql, list(given.values()))}

    def latest_seconds(self, reviews: int = 200) -> list[float]:
        """How long the latest reviews took, those that were timed, newest first."""
        sql = """SELECT seconds FROM events WHERE kind = 'review' AND seconds > 0
            AND seq NOT IN (SELECT target FROM undone) ORDER BY seq DESC LIMIT ?"""
        with guard(self.path):
            return [seconds for (seconds,) in self._connection.execute(sql, [reviews])]

    def since(self, seq: int) -> list[tuple[int, str, str, int, str | None]]:
        """What was written after an event: seq, kind, card, study day, state before."""
        with guard(self.path):
            sql = "SELECT seq, kind, card, day, was FROM events WHERE seq > ? ORDER BY seq"
            return list(self._connection.execute(sql, [seq]))

    def last_seq(self) -> int:
        """The newest event's number, 0 for an empty log."""
        with guard(self.path):
            return int(self._connection.execute("SELECT coalesce(max(seq), 0) FROM events").fetchone()[0])

    def count(self, table: str) -> int:
        """How many rows `events` or `cards` has."""
        with guard(self.path):
            return int(self.db[table].count)

    def _active_events(self, card: str | None = None) -> Iterator[LogEvent]:
        where = "target IS NULL AND seq NOT IN (SELECT target FROM undone)"
        return self._select(f"{where} AND card = ?", [card]) if card is not None else self._select(where, [])

    def _select(self, where: str, values: Sequence[Any]) -> Iterator[LogEvent]:
        sql = f"SELECT {', '.join(COLUMNS)} FROM events WHERE {where} ORDER BY seq"
        for row in self._connection.execute(sql, values):
            said = dict(zip(EVENT, row, strict=True))
            said["at"] = datetime.fromisoformat(said["at"])
            said["ticked"] = tuple(json.loads(said["ticked"]))
            said["config"] = self._recipe(said["config"])
            yield LogEvent(**said)

    def _recipe(self, number: int | None) -> SchedulerConfig | None:
        if number is not None and number not in self._recipes:
            body = self._connection.execute("SELECT body FROM recipes WHERE id = ?", [number]).fetchone()[0]
            said: dict[str, Any] = json.loads(body)
            for key in ("parameters", "learning_steps_minutes", "relearning_steps_minutes"):
                said[key] = tuple(said[key])
            self._recipes[number] = SchedulerConfig(**said)
        return self._recipes[number] if number is not None else None

    def _recipe_id(self, config: SchedulerConfig) -> int:
        """The number of a recipe, written once. Not remembered before its transaction is: a rollback would take it."""
        body = _body(config)
        found = self._connection.execute("SELECT id FROM recipes WHERE body = ?", [body]).fetchone()
        if found is None:
            self._connection.execute("INSERT INTO recipes (body) VALUES (?)", [body])
            found = self._connection.execute("SELECT id FROM recipes WHERE body = ?", [body]).fetchone()
        return int(found[0])

    # ------------------------------------------------------------------ keeping it safe

    def backup(self, dest: Path | None = None) -> Path:
        """Copy the database whole, as it is now, to `dest` or to the next free name among the backups."""
        return self._copy(dest or free(self._backups() / f"{self.path.stem}-copy.db"))

    def backups(self) -> list[Path]:
        """The backups beside the database, newest first."""
        return backups_of(self.path)

    def _todays_backup(self, now: datetime) -> Path:
        return self._backups() / f"{self.path.stem}-{now:%Y-%m-%d}.db"

    def _migrate(self, now: datetime) -> None:
        """Bring the tables up to date, one process at a time, with a backup first where there is something to lose."""
        known, applied = set(MIGRATIONS), applied_migrations(self._connection)
        if applied - known:
            raise StoreError(f"{self.path}: was written by a newer studyapp", "Update studyapp.")
        if known == applied:
            return
        if applied:
            self._copy(free(self._backups() / f"{self.path.stem}-before-{min(known - applied)}.db"))
        from studyapp.reviews import migrations

        with self._transaction():
            migrations.migrations.apply(self.db)

    def _daily_backup(self, now: datetime) -> None:
        """One backup a day before the first change, thinned with age. Its failure is a notice: studying goes on."""
        dest = self._todays_backup(now)
        if dest.exists() or self.last_seq() == 0:
            return
        try:
            self._copy(dest)
            for old in thinned(self.backups(), now.date(), self.path.stem, self._last_date()):
                old.unlink(missing_ok=True)
        except (StoreError, OSError) as error:
            self.notices.append(f"No backup today: {error}")

    def _last_date(self) -> date | None:
        """The day of the newest event, by its own clock."""
        row = self._connection.execute("SELECT max(at) FROM events").fetchone()
        return datetime.fromisoformat(row[0]).date() if row[0] else None

    def _copy(self, dest: Path) -> Path:
        return backup.copy(self._connection, dest)

    def _backups(self) -> Path:
        return self.path.parent / "backups"

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        with guard(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise


@lru_cache(maxsize=64)
def _body(config: SchedulerConfig) -> str:
    return json.dumps(asdict(config), sort_keys=True)


def applied_migrations(connection: sqlite3.Connection) -> set[str]:
    """The migrations that a file has been through, none for a new one."""
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = '_sqlite_migrations'").fetchone():
        return set()
    return {name for (name,) in connection.execute("SELECT name FROM _sqlite_migrations WHERE migration_set = 'studyapp'")}


def _rating(value: Any) -> int:
    if isinstance(value, bool) or value not in tuple(Rating):
        raise StoreError(f"{value!r} is not a rating", "1 again, 2 hard, 3 good, 4 easy. Nothing was written.")
    return int(value)


def _text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def _card(row: tuple[Any, ...]) -> CardState:
    said = dict(zip(CARD, row, strict=True))
    for key in ("due_at", "last_at"):
        said[key] = datetime.fromisoformat(said[key]) if said[key] else None
    said["suspended"], said["leech"] = bool(said["suspended"]), bool(said["leech"])
    return CardState(**said)


__all__ = ["Store"]
