"""Making the cards anew from the log: in the file, or, where its pages are damaged, in a new file from the log alone."""

import contextlib
import sqlite3
from dataclasses import fields
from pathlib import Path

from studyapp.errors import DamagedError, Message
from studyapp.files import atomic_write
from studyapp.reviews.cards import CardState
from studyapp.reviews.event_log import COLUMNS
from studyapp.reviews.integrity import Difference
from studyapp.reviews.restore import put_aside_first
from studyapp.reviews.sqlite_errors import guard, log_is_whole, unwritable
from studyapp.reviews.store import Store
from studyapp.settings import Settings


def changes(difference: Difference) -> list[Message]:
    """What differs in a card: «due_day 20770, by the log 20771»."""
    stored, replayed = difference.stored, difference.replayed
    if replayed is None:
        return [Message("is in no event")]
    if stored is None:
        return [Message("could not be read")]
    found = []
    for field in fields(CardState):
        here, there = getattr(stored, field.name), getattr(replayed, field.name)
        if here != there:
            found.append(Message("{field} {here}, by the log {there}", field=field.name, here=here, there=there))
    return found or [Message("has a wrong note of what was undone")]


def rebuild(path: Path, settings: Settings) -> tuple[list[Difference], Path | None]:
    """Make all cards anew from the log; what differed, and where a file with damaged pages was put aside.

    Raises:
        DamagedError: where the log itself is damaged; the hint is the way back.
    """
    try:
        with Store.open(path, settings, background=True) as store:
            found = list(store.differences())
            store.rebuild()
            return found, None
    except DamagedError:
        if not log_is_whole(path):
            raise
    return [], _from_the_log(path, settings)


def _from_the_log(path: Path, settings: Settings) -> Path | None:
    """A new file with the events of this one and the cards that they make, in its place; where the old one is."""
    path = path.resolve()
    with atomic_write(path, unwritable(path, "{path}: cannot be rebuilt: {reason}")) as part:
        with (
            guard(path),
            contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as damaged,
            Store.open(part, settings, background=True) as fresh,
        ):
            tables = {"configs": ["id", "body"], "events": ["seq", *COLUMNS, "crc"], "about": ["name", "value"]}
            fresh.copy_tables(damaged, tables)
            fresh.rebuild()
        with guard(path), contextlib.closing(sqlite3.connect(part)) as connection:
            connection.execute("PRAGMA journal_mode = DELETE")
        return put_aside_first(path)
