"""What SQLite's errors mean for the learner, and the way back."""

import contextlib
import os
import re
import shlex
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from studyapp.errors import DamagedError, Message, StoreError
from studyapp.reviews.event_log import SUMMED
from studyapp.reviews.log import RowError, checksum

ELSEWHERE = Message("Make the folder writable, or name another with STUDYAPP_HOME.")
ROOM = Message("Make room on the disk, then try again. All earlier answers are safe.")
ROOM_BYTES = 2**20
"""With less than this left on its disk, an error of reading or writing is taken for a full disk."""
PRIMARY = 0xFF
DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT}
DAMAGE_TEXTS = re.compile("unsupported file format|no such (table|column)|malformed|decode to UTF-8")
"""Damage that SQLite or Python's sqlite3 has no code for."""


@contextlib.contextmanager
def guard(path: Path) -> Iterator[None]:
    """Say what SQLite's errors mean for the learner, and the way back."""
    try:
        yield
    except sqlite3.IntegrityError as error:
        raise StoreError("{path}: refused a change: {error}", "Nothing was written.", path=path, error=error) from error
    except sqlite3.Error as error:
        told = _explained(path, error)
        if told is error:
            raise
        raise told from error
    except (RowError, UnicodeDecodeError) as error:  # UnicodeDecodeError: SQLite's own message quotes what is damaged
        what = str(error) if isinstance(error, RowError) else Message("its texts cannot be read")
        raise DamagedError("{path}: the database is damaged: {found}", way_back(path), path=path, found=what) from error


def _explained(path: Path, error: sqlite3.Error) -> Exception:
    """The error for the learner; the error itself where it can only be a fault of ours."""
    text, code = str(error), getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & PRIMARY
    if code in DAMAGE or DAMAGE_TEXTS.search(text):
        return DamagedError("{path}: the database is damaged: {found}", way_back(path), path=path, found=text)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        hint = Message("Another program holds it: close that, then try again. Nothing was lost.")
    elif code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and _is_full(path)):
        hint = ROOM
    elif code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        hint = ELSEWHERE
    elif code == sqlite3.SQLITE_IOERR:
        hint = Message("Look at the disk; then try again.")
    else:
        return error
    return StoreError("{path}: {text}", hint, path=path, text=text)


def unwritable(path: Path, template: str) -> Callable[[OSError], StoreError]:
    """What a failure to write is made into: `template` names {path} and {reason}."""
    return lambda error: StoreError(template, ELSEWHERE, path=path, reason=error.strerror)


def _is_full(path: Path) -> bool:
    if not hasattr(os, "statvfs"):
        return False
    try:
        disk = os.statvfs(path.parent)
    except OSError:
        return False
    return disk.f_bavail * disk.f_frsize < ROOM_BYTES


def way_back(path: Path) -> Message:
    """The way back from damage: the cards anew where the log is whole, else the newest backup."""
    if not log_is_whole(path):
        return hint_backups(path)
    return Message("The log is whole. Run: {command}", command=command("doctor", "--rebuild"))


def hint_backups(path: Path) -> Message:
    """The way back by the newest backup."""
    found = backups_of(path)
    if not found:
        return Message("There is no backup of it. Move {path} away to begin anew.", path=path)
    return Message("Run: {command}", command=command("restore", str(found[0])))


def backups_of(path: Path) -> list[Path]:
    """The backups of a database, newest first; also where the database itself cannot be opened."""
    found = (path.parent / "backups").glob(f"{path.stem}-*.db")
    return sorted(found, key=lambda file: (file.stat().st_mtime, file.name), reverse=True)


def command(*words: str) -> str:
    """A command of studyapp as it can be pasted into a shell."""
    parts = ["studyapp", *words]
    return subprocess.list2cmdline(parts) if os.name == "nt" else shlex.join(parts)


def log_is_whole(path: Path) -> bool:
    """Whether every event of the file can be read and is as it was written."""
    sql = f"SELECT {', '.join(f'events.{name}' for name in SUMMED)}, crc, body FROM events LEFT JOIN configs ON id = config"
    try:
        with contextlib.closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            if connection.execute("PRAGMA quick_check('events')").fetchone()[0] != "ok":
                return False
            rows = connection.execute(sql)
            return all(checksum(values, body or "") == crc for *values, crc, body in rows)
    except (sqlite3.Error, UnicodeDecodeError, OSError, TypeError, AttributeError):
        return False


def tables_of(connection: sqlite3.Connection) -> dict[str, set[str]]:
    """The tables of a file and the columns of each."""
    names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    return {name: {row[1] for row in connection.execute(f'PRAGMA table_info("{name}")')} for name in names if _plain(name)}


def _plain(name: str) -> bool:
    return bool(re.fullmatch(r"\w+", name))
