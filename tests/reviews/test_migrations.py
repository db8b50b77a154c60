"""From events known by their number to events with an identity: nothing is lost."""

import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest

from studyapp.reviews import opening
from studyapp.reviews.cards import CardState
from studyapp.reviews.log import active_events
from studyapp.reviews.merge import merge
from studyapp.reviews.scheduler import replay
from studyapp.reviews.store import Store

NUMBERED = (Path(__file__).parent / "data" / "numbered.sql").read_text()
OF_A_CARD = """SELECT card, state, step, due_at, due_day, stability, difficulty, last_day, last_at, reps, lapses,
    suspended, buried_day, leech FROM cards"""


def old_file(path: Path) -> Path:
    """The fixture as a file."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(NUMBERED)
    return path


def old_cards(path: Path) -> dict[str, CardState]:
    """The cards that stand in a file, whichever its tables."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(OF_A_CARD).fetchall()
    moment = lambda text: datetime.fromisoformat(text) if text else None  # noqa: E731
    return {
        row[0]: CardState(*row[:3], moment(row[3]), *row[4:8], moment(row[8]), *row[9:11], bool(row[11]), row[12], bool(row[13]))
        for row in rows
    }


@pytest.fixture
def old(path):
    return old_file(path)


def test_the_cards_stay_as_they_were_and_are_a_replay(old, settings, now):
    """After the migration every card is what it was, and what the log makes of it, clocks set back or not."""
    before = old_cards(old)
    with Store.open(old, settings, now) as store:
        assert store.cards() == before and len(before) == 11
        assert replay(store.scheduler, store.events()) == before
        assert list(store.differences()) == []
        store.rebuild()
        assert store.cards() == before


def test_what_counted_still_counts_in_the_same_order(old, settings, now):
    """Of each card the same events count, in the order of their numbers, with all that was said with them."""
    sql = """SELECT kind, card, day, rating, ticked, suggested, seconds, language, was, at FROM events
        WHERE target IS NULL AND seq NOT IN (SELECT target FROM undone) ORDER BY card, seq"""
    with closing(sqlite3.connect(old)) as connection:
        before = connection.execute(sql).fetchall()
    with Store.open(old, settings, now) as store:
        events = sorted(active_events(store.events()), key=lambda event: event.card)  # sorted is stable
        log = store.events()
    ticked = [f"[{', '.join(map(str, event.data.get('ticked', [])))}]" for event in events]
    noted = [event.data.get("noted_at") or event.at.isoformat(timespec="microseconds") for event in events]
    assert before == [
        (e.kind, e.card, e.day, e.rating, tick, e.data.get("suggested"), e.seconds, e.language, e.was, at)
        for e, tick, at in zip(events, ticked, noted, strict=True)
    ]
    assert len(log) == 36 and len({event.uid for event in log}) == 36
    assert len({event.device for event in log}) == 1 and log[0].device not in ("", "laptop")


def test_undo_and_redo_go_on(old, settings, now):
    """What was undone last before the migration can be done again after it, and the last act be taken back."""
    with Store.open(old, settings, now) as store:
        assert (again := store.redo(now)) is not None and (again.card, again.rating) == ("b#recall", 2)
        assert (back := store.undo(now)) is not None and back.uid == again.uid
        assert (suspended := store.undo(now)) is not None and (suspended.kind, suspended.card) == ("suspend", "c#recall")
        assert not store.card("c#recall").suspended
        assert replay(store.scheduler, store.events()) == store.cards()


def test_a_copy_is_made_before(old, settings, now):
    """The file as it was lies among the backups, and an event's row still cannot be changed or taken out."""
    before = old_cards(old)
    with Store.open(old, settings, now) as store:
        (copied,) = [file for file in store.backups() if "before" in file.name]
        assert copied.name == "study-before-m002_events_by_uid.db" and old_cards(copied) == before
        for statement in ("UPDATE events SET rating = 4", "DELETE FROM events"):
            with pytest.raises(sqlite3.IntegrityError, match="only added to"):
                store.db.conn.execute(statement)


def test_two_copies_migrated_apart_are_the_same_log(old, settings, now, tmp_path):
    """A log copied to a second machine before the migration is no second log: a merge finds nothing new."""
    with Store.open(old, settings, now) as mine, Store.open(old_file(tmp_path / "theirs.db"), settings, now) as theirs:
        assert [event.uid for event in mine.events()] == [event.uid for event in theirs.events()]
        assert merge(mine, theirs.path).new == 0
        theirs.append("review", "z#recall", now, rating=3)
        assert merge(mine, theirs.path).new == 1 and mine.cards() == theirs.cards()


def test_an_old_log_is_merged_as_it_lies(settings, now, path, tmp_path):
    """A database of the former tables can be merged without being opened and changed."""
    other = old_file(tmp_path / "theirs.db")
    raw = other.read_bytes()
    with Store.open(path, settings, now) as store:
        assert merge(store, other).new == 36 and store.cards() == old_cards(other)
    assert other.read_bytes() == raw


def test_a_migration_that_fails_leaves_the_old_file(old, settings, now, monkeypatch):
    """Where the migration is cut short the file is as it was, and opens the next time."""
    before = old_cards(old)
    from studyapp.reviews import migrations

    def broken(run):
        raise RuntimeError("power cut")

    monkeypatch.setattr(migrations, "identified", broken)
    with pytest.raises(RuntimeError, match="power cut"):
        Store.open(old, settings, now)
    monkeypatch.undo()
    assert old_cards(old) == before
    with Store.open(old, settings, now) as store:
        assert store.cards() == before


def test_the_store_knows_its_migrations_by_name():
    """The names that an up-to-date file is told by are those of the tables."""
    from sqlite_utils import Database

    from studyapp.reviews.migrations import migrations

    assert tuple(migration.name for migration in migrations.pending(Database(memory=True))) == opening.MIGRATIONS
