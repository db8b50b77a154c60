"""The way back: a backup in the database's place, with what stood there put aside first and one replacement at the end."""

import contextlib
import os
import shutil
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from studyapp.errors import Message, StoreError
from studyapp.files import atomic_write
from studyapp.reviews.backup import free
from studyapp.reviews.opening import MIGRATIONS, applied_migrations, is_ours, put_aside, readable
from studyapp.reviews.sqlite_errors import ELSEWHERE, backups_of, command, tables_of, unwritable


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore did: how many events there are now, and where the database that stood there is."""

    events: int
    aside: Path | None


def restore(file: Path, path: Path) -> Restored:
    """Put a backup in the database's place. It is checked before anything is moved, and nothing is deleted.

    A kill at any moment leaves the old database or the new one in its place, whole.

    Raises:
        StoreError: where the file is no sound database of reviews, or the database is open in another studyapp.
    """
    if not file.is_file():
        raise StoreError("{file}: there is no such backup", _others(file, path), file=file)
    if path.exists() and path.samefile(file):
        raise StoreError("{file}: is the database itself", _others(file, path), file=file)
    path = path.resolve()
    with atomic_write(path, unwritable(path, "{path}: cannot be restored: {reason}")) as part:
        events = _copy_checked(file, part, path)
        aside = put_aside_first(path)
    return Restored(events, aside)


def put_aside_first(path: Path) -> Path | None:
    """Give the database that is to be replaced a second name, and take away what only it may have beside it.

    Raises:
        StoreError: where it is open in another studyapp, or cannot be put aside.
    """
    aside = None
    if path.exists():
        refuse_if_used(path)
        aside = _linked_aside(path)
    for suffix in ("-wal", "-shm"):  # beside another file they would damage it
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    return aside


def _copy_checked(file: Path, part: Path, path: Path) -> int:
    """Copy a backup into `part`; how many events it has."""
    try:
        with readable(file) as source, contextlib.closing(sqlite3.connect(part)) as copied:
            if not is_ours(tables_of(source), source):
                raise StoreError("{file}: is no database of reviews", _others(file, path), file=file)
            if applied_migrations(source) - set(MIGRATIONS):
                raise StoreError("{file}: was written by a newer studyapp", "Update studyapp.", file=file)
            source.backup(copied)
            copied.execute("PRAGMA journal_mode = DELETE")
            found = copied.execute("PRAGMA quick_check(1)").fetchone()[0]
            if found != "ok":
                raise StoreError("{file}: is damaged: {found}", _others(file, path), file=file, found=found)
            return int(copied.execute("SELECT count(*) FROM events").fetchone()[0])
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise StoreError("{file}: is no sound database: {error}", _others(file, path), file=file, error=error) from error


def _linked_aside(path: Path) -> Path:
    """Give the database, and its own log where one is left, a second name."""
    aside = free(path.with_name(f"{path.name}.before-restore"))
    for suffix in ("-wal", ""):
        source, dest = path.with_name(path.name + suffix), aside.with_name(aside.name + suffix)
        if not source.exists():
            continue
        try:
            os.link(source, dest)
        except OSError:  # a file system without hard links
            with atomic_write(dest, _not_put_aside) as part:
                shutil.copyfile(source, part)
    return aside


def _not_put_aside(error: OSError) -> StoreError:
    return StoreError(
        "the present database cannot be put aside: {reason}",
        "Nothing was changed. {elsewhere}",
        reason=error.strerror, elsewhere=ELSEWHERE,
    )


def refuse_if_used(path: Path) -> None:
    """Raise where another process has the database open; a damaged file is no reason to refuse."""
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=0.2, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise StoreError("{path}: is open in another studyapp", "Close it, then restore again.", path=path) from error
    except sqlite3.DatabaseError:
        pass


def _others(file: Path, path: Path) -> Message:
    """Which other copies there are."""
    others = [found for found in [*backups_of(path), *put_aside(path)] if found.resolve() != file.resolve()]
    if not others:
        return Message("No other copy was found.")
    return Message("Another copy: {command}", command=command("restore", str(others[0])))
