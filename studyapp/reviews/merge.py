"""Uniting two logs: the reviews of another machine, or of a copy that went its own way."""

import contextlib
import sqlite3
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from studyapp.errors import StoreError
from studyapp.reviews import backup
from studyapp.reviews.event_log import EventLog
from studyapp.reviews.log import RowError
from studyapp.reviews.opening import MIGRATIONS, applied_migrations, is_ours, migrate, readable
from studyapp.reviews.sqlite_errors import tables_of
from studyapp.reviews.store import Store


@dataclass(frozen=True, slots=True)
class Merged:
    """What a merge came to.

    Attributes:
        new: the events that were not here.
        known: those that were.
        backup: the database as it was before, where anything was new.
    """

    new: int
    known: int
    backup: Path | None


def merge(store: Store, file: Path) -> Merged:
    """Take the events of another database that are not in this one; the other is only read.

    Events are known by their uid, so a second merge changes nothing, and either way round both databases hold the same
    log and make the same cards of it: a replay in the order of (at, uid). A review of the other machine may stand before
    one made here; both count, in that order.

    Raises:
        StoreError: where the other is no sound database of reviews, or holds another event under a uid of this one.
    """
    if not file.is_file():
        raise StoreError("{file}: there is no such file", "Name the reviews.db of the other machine.", file=file)
    if store.path.exists() and store.path.samefile(file):
        raise StoreError("{file}: is this database itself", "Name the reviews.db of the other machine.", file=file)
    try:
        with _up_to_date(file) as other:
            theirs = list(EventLog(other).select("1", order="seq"))
    except (sqlite3.Error, UnicodeDecodeError, RowError) as error:
        raise StoreError(
            "{file}: cannot be read: {error}",
            "Choose a sound copy of it. Nothing was merged.",
            file=file, error=error,
        ) from error
    missing = store.missing(event.uid for event in theirs)
    before = None
    if missing:
        before = store.backup(store.path.parent / "backups" / f"{store.path.stem}-before-merge.db")
    new = store.take_in(theirs)
    return Merged(new, len(theirs) - new, before)


@contextlib.contextmanager
def _up_to_date(file: Path) -> Iterator[sqlite3.Connection]:
    """A database of reviews for reading, with the tables of today; an older one is brought up to date in a copy."""
    with readable(file) as other:
        if not is_ours(tables_of(other), other):
            raise StoreError(
                "{file}: is no database of reviews",
                "Name the reviews.db of the other machine.",
                file=file,
            )
        found = other.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise StoreError(
                "{file}: is damaged: {found}",
                "Choose a sound copy of it. Nothing was merged.",
                file=file, found=found,
            )
        if applied_migrations(other) == set(MIGRATIONS):
            yield other
            return
        with tempfile.TemporaryDirectory() as folder:
            copied = backup.copy(other, Path(folder) / file.name)
            with contextlib.closing(sqlite3.connect(copied, isolation_level=None)) as connection:
                migrate(connection, copied)
                yield connection
