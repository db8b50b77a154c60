"""The database of reviews: an append-only log of events, and the cards that replay makes of it.

Every change is one transaction that writes the event and the one card it touches (`writer.py`), so a killed process loses
nothing and two processes can study at once. The cards are only a copy: `rebuild` makes them again from the log
(`integrity.py`).
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from studyapp.errors import StoreError
from studyapp.reviews import backup, opening
from studyapp.reviews.annotations import Annotation, annotated
from studyapp.reviews.cards import CardState, CardTable, Decks, study_day
from studyapp.reviews.integrity import Replayed
from studyapp.reviews.log import LogEvent
from studyapp.reviews.overview import Overview, overview_of
from studyapp.reviews.sqlite_errors import backups_of, guard
from studyapp.settings import Settings

if TYPE_CHECKING:
    from sqlite_utils import Database


class Store(Replayed):
    """The reviews of one learner in one file, and the only owner of what schedules them. Made by `Store.open`.

    Attributes:
        notices: what went wrong at opening or in maintenance that keeps nobody from studying.
    """

    def __init__(
        self, path: Path, connection: sqlite3.Connection, settings: Settings, refusal: StoreError | None = None
    ) -> None:
        super().__init__(path, connection, settings, refusal)
        self.notices: list[str] = []
        self._background, self._stopped = False, False
        self._to_note: Decks | None = None
        self._maintaining: sqlite3.Connection | None = None

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
        store._background = background
        if store.writable and not background:
            try:
                store.notices += opening.maintenance(path, now, connection)
            except BaseException:
                connection.close()
                raise
        return store

    def maintenance(self, now: datetime | None = None) -> list[str]:
        """Check a large file and make the day's backup, on a connection of its own; what went wrong, for the learner.

        May run in any thread, beside studying.
        """
        if not self.writable:
            return []
        with contextlib.closing(opening.connect(self.path)) as connection:
            self._maintaining = connection
            try:
                notices = opening.maintenance(self.path, now or datetime.now(UTC), connection, lambda: self._stopped)
                if self._to_note is not None:
                    with guard(self.path):
                        CardTable(connection).assign_in_steps(self._to_note, lambda: self._stopped)
                return notices
            except (StoreError, sqlite3.Error):
                if self._stopped:
                    return []
                raise
            finally:
                self._maintaining, self._to_note, self._background = None, None, False

    def stop_maintenance(self) -> None:
        """Let maintenance in another thread end where it is, with nothing half made left behind."""
        self._stopped = True
        with contextlib.suppress(sqlite3.Error):
            if connection := self._maintaining:
                connection.interrupt()

    @cached_property
    def db(self) -> "Database":
        """The file as sqlite-utils sees it: a tenth of a second to import, so not before it is asked for."""
        from sqlite_utils import Database

        return Database(self._connection)

    def close(self) -> None:
        """Let go of the file; what runs beside ends."""
        self.stop_maintenance()
        with contextlib.suppress(sqlite3.Error):
            self._connection.close()

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

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

    def observed(self, kind: str) -> list[LogEvent]:
        """The observations of a kind that stand, in the order of a replay."""
        with guard(self.path):
            return list(self._events.observing(kind))

    def annotations(self) -> dict[str, Annotation]:
        """The star and the note of every card that has one."""
        with guard(self.path):
            return annotated(self._events.annotating())

    def annotation(self, card: str) -> Annotation:
        """The star and the note of one card."""
        with guard(self.path):
            return annotated(self._events.annotating(card)).get(card, Annotation())

    def overview(self, decks: Decks, now: datetime) -> Overview:
        """What waits in each deck and in all of them, how much is remembered, and the days to come: all that Home shows.

        Counted by one pass over an index, however many cards there are; within the day's limits it is what sittings
        over the same cards would count.
        """
        with guard(self.path):
            day = study_day(now, self.settings)
            if self.writable and self._cards.unassigned(decks):
                if self._background:  # a new bank: noted beside the first screen, counted without until then
                    self._to_note = decks
                else:
                    with self._transaction():
                        self._cards.assign(decks)
            ahead = now + self.settings.learn_ahead
            rows = list(self._cards.deck_rows(decks, self.scheduler.forgetting(), day, ahead))
        siblings = {row.card: row for row in self.queued(day) if row.card in decks.siblings} if decks.siblings else {}
        return overview_of(decks, rows, decks.held_back(siblings, day), self.done_on(day), day, self.settings)

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
