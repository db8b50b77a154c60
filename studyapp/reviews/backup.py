"""Copies of the database of reviews: written whole, thinned with age."""

import contextlib
import re
import sqlite3
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

from studyapp.files import atomic_write
from studyapp.reviews.sqlite_errors import guard, unwritable

KEPT_DAYS, KEPT_WEEKS, KEPT_MONTHS = 7, 8, 12
KEPT_COUNT = 10
JUMP_DAYS = 45
STEP_PAGES = 2048
"""Pages that are copied at a stretch, 8 MiB: a copy beside the app is stopped within milliseconds."""


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


def free(path: Path) -> Path:
    """The path, or the first with a number that no file has."""
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return free


class StoppedError(Exception):
    """A copy was given up because the app is left."""


def copy(connection: sqlite3.Connection, dest: Path, stopped: Callable[[], bool] = lambda: False) -> Path:
    """Write the database whole, as it is now, to `dest`, or leave `dest` as it was.

    Raises:
        StoppedError: where `stopped` says so between two steps.
    """

    def go_on(*_: int) -> None:
        if stopped():
            raise StoppedError

    with (
        atomic_write(dest, unwritable(dest, "{path}: cannot be written: {reason}")) as part,
        guard(dest),
        contextlib.closing(sqlite3.connect(part)) as copy,
    ):
        connection.backup(copy, pages=STEP_PAGES, progress=go_on)
        copy.execute("PRAGMA journal_mode = DELETE")
    return dest
