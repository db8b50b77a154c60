"""Keeping the database of reviews safe: what SQLite's errors mean, its own check, backups thinned with age, the way back."""

import contextlib
import re
import sqlite3
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

from studyapp.errors import StoreError
from studyapp.files import atomic_write

BUSY_SECONDS = 5.0
KEPT_DAYS, KEPT_WEEKS, KEPT_MONTHS = 7, 8, 12
KEPT_COUNT = 10
JUMP_DAYS = 45
ELSEWHERE = "Make the folder writable, or name another with STUDYAPP_HOME."


def backups_of(path: Path) -> list[Path]:
    """The backups of a database, newest first; also where the database itself cannot be opened."""
    found = (path.parent / "backups").glob(f"{path.stem}-*.db")
    return sorted(found, key=lambda file: (file.stat().st_mtime, file.name), reverse=True)


def thinned(files: Sequence[Path], today: date, stem: str, last_event: date | None = None) -> list[Path]:
    """The daily backups that may go: one a day stays for a week, one a week for eight weeks, one a month for a year.

    Only files named exactly as the daily backup of `stem` are looked at: a copy made by hand, or before a migration,
    stays, and so does one of a day yet to come. The newest `KEPT_COUNT` stay whatever their age. Where the last backup
    or the last event before today is more than `JUMP_DAYS` away, the clock may have jumped, and none may go.
    """
    daily = re.compile(re.escape(stem) + r"-(\d{4}-\d{2}-\d{2})\.db")
    dated: list[tuple[date, Path]] = []
    for file in files:
        if named := daily.fullmatch(file.name):
            with contextlib.suppress(ValueError):  # such as the 31st of February
                dated.append((date.fromisoformat(named[1]), file))
    dated = sorted((day, file) for day, file in dated if day <= today)
    known = [*[day for day, _ in dated if day != today][-1:], last_event or today]
    if any((today - day).days > JUMP_DAYS for day in known):
        return []
    kept: set[tuple[str, int]] = set()
    gone = []
    for day, file in dated[:-KEPT_COUNT]:  # the oldest of a week or month stays, so that what is kept today stays kept
        age = (today - day).days
        if age < KEPT_DAYS:
            continue
        if age < KEPT_WEEKS * 7:
            slot = ("week", (day.toordinal() - 1) // 7)
        elif age < KEPT_MONTHS * 31:
            slot = ("month", day.year * 12 + day.month)
        else:
            slot = ("past", 0)
        if slot in kept or slot[0] == "past":
            gone.append(file)
        kept.add(slot)
    return gone


def connect(path: Path) -> sqlite3.Connection:
    """Open the file, or make it, so that what is committed survives a crash of the machine."""
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
    except BaseException:
        connection.close()
        raise
    return connection


def sound(connection: sqlite3.Connection, path: Path) -> None:
    """Raise where SQLite's own check finds damage."""
    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise StoreError(f"{path}: the database is damaged: {found}", hint_backups(path))


def refuse_if_used(path: Path) -> None:
    """Raise where another process has the database open; a damaged file is no reason to refuse."""
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=0.2, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise StoreError(f"{path}: is open in another studyapp", "Close it, then restore again.") from error
    except sqlite3.DatabaseError:
        pass


@contextlib.contextmanager
def guard(path: Path) -> Iterator[None]:
    """Say what SQLite's errors mean for the learner, and the way back."""
    try:
        yield
    except sqlite3.IntegrityError as error:
        raise StoreError(f"{path}: refused a change: {error}", "Nothing was written.") from error
    except sqlite3.DatabaseError as error:
        text = str(error)
        if "locked" in text or "busy" in text:
            hint = "Another program holds it: close that, then try again. Nothing was lost."
        elif "full" in text:
            hint = "Make room on the disk, then try again. All earlier answers are safe."
        elif "readonly" in text or "unable to open" in text:
            hint = ELSEWHERE
        elif "malformed" in text or "not a database" in text or "no such" in text or "corrupt" in text:
            text, hint = f"the database is damaged: {text}", hint_backups(path)
        else:
            hint = "Look at the disk; then try again."
        raise StoreError(f"{path}: {text}", hint) from error


def hint_backups(path: Path) -> str:
    """The way back from damage: the newest backup's restore."""
    found = backups_of(path)
    if not found:
        return "There is no backup of it. Move the file away to begin anew."
    return f"Run: studyapp restore {found[0]}"


def free(path: Path) -> Path:
    """The path, or the first with a number that no file has."""
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return free


def copy(connection: sqlite3.Connection, dest: Path) -> Path:
    """Write the database whole, as it is now, to `dest`, or leave `dest` as it was."""
    with (
        atomic_write(dest, lambda e: StoreError(f"{dest}: cannot be written: {e.strerror}", ELSEWHERE)) as part,
        guard(dest),
        contextlib.closing(sqlite3.connect(part)) as copy,
    ):
        connection.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")
    return dest


def restore(file: Path, path: Path) -> Path | None:
    """Put a backup in the database's place; where the file that stood there was moved to, None if there was none.

    The backup is checked before anything is moved, and nothing is deleted.
    """
    if not file.is_file():
        raise StoreError(f"{file}: there is no such backup", hint_backups(path))
    with atomic_write(path, lambda e: StoreError(f"{path}: cannot be restored: {e.strerror}", ELSEWHERE)) as part:
        with guard(file):
            source = sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)
            with contextlib.closing(source), contextlib.closing(sqlite3.connect(part)) as copy:
                sound(source, file)
                if not source.execute("SELECT 1 FROM sqlite_master WHERE name = 'events'").fetchone():
                    raise StoreError(f"{file}: is no database of reviews", hint_backups(path))
                source.backup(copy)
                copy.execute("PRAGMA journal_mode = DELETE")
        aside = None
        if path.exists():
            refuse_if_used(path)
            aside = free(path.with_name(f"{path.name}.before-restore"))
            path.replace(aside)
        for suffix in ("-wal", "-shm"):  # they belong to the file moved away; beside another they would damage it
            tail = path.with_name(path.name + suffix)
            if tail.exists():
                tail.replace(path.with_name((aside or path).name + suffix + ("" if aside else ".old")))
    return aside
