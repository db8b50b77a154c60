"""The database of reviews: nothing lost, nothing doubled, and a way back from damage."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st

from studyapp.errors import StaleCardError, StoreError
from studyapp.reviews.cards import CardState
from studyapp.reviews.log import Rating
from studyapp.reviews.scheduler import replay
from studyapp.reviews.store import Store
from studyapp.settings import Settings

UTC_SETTINGS = Settings(timezone="UTC")
verbs = st.lists(
    st.tuples(
        st.sampled_from(["review"] * 4 + ["undo", "undo", "redo", "suspend", "unsuspend", "bury", "reset"]),
        st.sampled_from(["a#recall", "b#recall", "c#recall"]),
        st.integers(1, 4),
        st.integers(0, 3 * 24 * 60),
    ),
    max_size=30,
)


@given(verbs)
@effort(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_cards_kept_are_a_replay_of_the_log(tmp_path_factory, now, done):
    """Whatever is done and undone, the cards kept beside the log equal its replay, and a rebuild changes nothing."""
    at = now
    with Store.open(tmp_path_factory.mktemp("s") / "study.db", UTC_SETTINGS, now) as store:
        for verb, card, rating, minutes in done:
            at += timedelta(minutes=minutes)
            if verb in ("undo", "redo"):
                getattr(store, verb)(at)
            elif verb == "review":
                store.append("review", card, at, rating=rating)
            else:
                store.append(verb, card, at)
        kept = store.cards()
        assert kept == replay(store.scheduler, store.events())
        store.rebuild()
        assert store.cards() == kept


def test_an_event_keeps_all_that_was_said(store, now):
    """What belongs to a kind of card, seconds, language, day, parameters and device come back from the log as they went in."""
    data = {"ticked": (0, 2), "suggested": 3, "outline": "softmax 饱和", "typed": {"answer": 18.5}}
    made = store.append("review", "a#recall", now, rating=2, seconds=4.5, language="zh", data=data)
    (read,) = store.events("a#recall")
    assert read == made and read.device == store.device
    assert read.data == {"ticked": [0, 2], "suggested": 3, "outline": "softmax 饱和", "typed": {"answer": 18.5}}
    assert (read.seconds, read.language, read.was) == (4.5, "zh", "new")
    assert read.config is not None and len(read.config.parameters) == 21 and read.config.version.startswith("FSRS-6")


def test_the_log_is_only_added_to(store, now):
    """No statement changes or deletes an event."""
    store.append("review", "a#recall", now, rating=3)
    for statement in ("UPDATE events SET rating = 4", "DELETE FROM events"):
        with pytest.raises(sqlite3.IntegrityError, match="only added to"):
            store.db.conn.execute(statement)


def test_undo_and_redo_walk_like_an_editor(store, now):
    """Undo goes back one by one, redo forward, and something new forgets what could be done again."""
    one = store.append("review", "a#recall", now, rating=3)
    two = store.append("review", "b#recall", now, rating=3)
    assert [store.undo(now), store.undo(now), store.undo(now)] == [two, one, None]
    assert store.card("a#recall").state == "new" and store.card("a#recall").reps == 0
    assert store.redo(now) == one
    three = store.append("suspend", "c#recall", now)
    assert store.redo(now) is None
    assert [store.undo(now), store.undo(now), store.undo(now)] == [three, one, None]
    assert [store.redo(now), store.redo(now), store.redo(now)] == [one, three, None]
    assert store.card("b#recall").reps == 0


@pytest.mark.parametrize("rating", [0, 5, None, True, "3", 2.5])
def test_a_rating_that_does_not_exist_is_refused(store, now, rating):
    """Only 1 to 4 are ratings; anything else writes nothing."""
    with pytest.raises(StoreError, match="is not a rating"):
        store.append("review", "a#recall", now, rating=rating)
    assert store.events() == []


def test_an_answer_to_a_stale_card_is_refused(store, now):
    """Where the card has changed since it was shown, its answer writes nothing."""
    shown = store.card("a#recall")
    store.append("review", "a#recall", now, rating=3, expect=shown)
    with pytest.raises(StaleCardError, match="changed since"):
        store.append("review", "a#recall", now, rating=3, expect=shown)
    assert len(store.events()) == 1


def test_a_clock_set_back_is_refused(store, now):
    """A review before the card's last review writes nothing and names the clock."""
    store.append("review", "a#recall", now, rating=3)
    with pytest.raises(StoreError, match="before its last") as caught:
        store.append("review", "a#recall", now - timedelta(seconds=1), rating=3)
    assert "clock" in caught.value.hint and len(store.events()) == 1


def test_unknown_kinds_are_refused(store, now):
    """Only the kinds of the log can be written."""
    with pytest.raises(StoreError):
        store.append("delete", "a#recall", now)


KILLED = """
import os, sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from studyapp.reviews.store import Store
from studyapp.settings import Settings
now = datetime(2026, 11, 24, 12, tzinfo=UTC)
store = Store.open(Path(sys.argv[1]), Settings(timezone="UTC"), now)
for n in range(100000):
    store.append("review", f"card-{n % 7}#recall", now + timedelta(minutes=n), rating=n % 4 + 1)
    os.write(1, b"x")
"""


def test_kill_9_loses_no_answer(path, settings, now):
    """After kill -9 every answer that was acknowledged is there, and the cards still equal the replay."""
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    acknowledged = len(process.stdout.read(40))
    os.kill(process.pid, signal.SIGKILL)
    acknowledged += len(process.stdout.read())
    process.wait()
    process.stdout.close()
    with Store.open(path, settings, now) as store:
        assert acknowledged <= len(store.events()) <= acknowledged + 1
        assert store.cards() == replay(store.scheduler, store.events())


def test_two_processes_at_once(path, settings, now):
    """Two processes that answer at the same time, also when both make the file, lose and double nothing."""
    code = KILLED.replace("100000", "60").replace("card-{n % 7}", "{sys.argv[2]}-{n % 7}")
    both = [subprocess.Popen([sys.executable, "-c", code, str(path), who], stdout=subprocess.DEVNULL) for who in "ab"]
    assert [process.wait(60) for process in both] == [0, 0]
    with Store.open(path, settings, now) as store:
        assert store.count("events") == 120 and store.count("cards") == 14
        assert store.cards() == replay(store.scheduler, store.events())


def test_one_card_answered_by_two_counts_once(path, settings, now):
    """Of two answers to the same showing of a card, given at the same moment, exactly one is written."""
    Store.open(path, settings, now).close()
    outcomes: list[str] = []
    start = threading.Barrier(2)

    def answer() -> None:
        with Store.open(path, settings, now) as mine:
            start.wait()
            try:
                mine.append("review", "a#recall", now, rating=3, expect=CardState("a#recall"))
                outcomes.append("written")
            except StoreError:
                outcomes.append("refused")

    threads = [threading.Thread(target=answer) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["refused", "written"]


def test_a_failed_answer_leaves_nothing_behind(store, now, monkeypatch):
    """Where the card cannot be written its event is not either, and the store goes on."""
    monkeypatch.setattr(store._cards, "put", lambda state: (_ for _ in ()).throw(RuntimeError("power cut")))
    with pytest.raises(RuntimeError):
        store.append("review", "a#recall", now, rating=3)
    monkeypatch.undo()
    assert store.events() == []
    store.append("review", "a#recall", now, rating=3)
    assert store.events()[0].config == store.scheduler.config(now)


# ---------------------------------------------------------------------- what can go wrong outside


def test_a_full_disk_is_said_and_loses_nothing(store, now):
    """A disk without room is a StoreError; the earlier answers stay."""
    store.append("review", "a#recall", now, rating=3)
    pages = store.db.conn.execute("PRAGMA page_count").fetchone()[0]
    store.db.conn.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreError, match="full") as caught:
        for n in range(500):
            store.append("review", f"{n}#recall", now, rating=3)
    assert "room" in caught.value.hint
    assert store.cards() == replay(store.scheduler, store.events())


def test_a_locked_database_is_said(store, path, now):
    """A database held by another program is a StoreError that says so."""
    store.db.conn.execute("PRAGMA busy_timeout = 50")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(StoreError, match="locked") as caught:
            store.append("review", "a#recall", now, rating=3)
    finally:
        other.close()
    assert "Another program" in caught.value.hint
    store.append("review", "a#recall", now, rating=3)


def test_a_read_only_database_is_said(store, now):
    """A database that cannot be written is a StoreError with a hint."""
    store.db.conn.execute("PRAGMA query_only = ON")
    with pytest.raises(StoreError, match="readonly") as caught:
        store.append("review", "a#recall", now, rating=3)
    assert "STUDYAPP_HOME" in caught.value.hint


def test_a_folder_that_cannot_be_made_is_said(tmp_path, settings, now):
    """A data folder that cannot be made is a StoreError that names it."""
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="file") as caught:
        Store.open(tmp_path / "file" / "study.db", settings, now)
    assert "STUDYAPP_HOME" in caught.value.hint


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_read_only_folder_is_said(tmp_path, settings, now):
    """A data folder without leave to write is a StoreError with a hint."""
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(StoreError) as caught:
            Store.open(tmp_path / "study.db", settings, now)
    finally:
        tmp_path.chmod(0o700)
    assert "STUDYAPP_HOME" in caught.value.hint


def test_the_log_read_again_holds_what_came_since(path, settings, now):
    """The log read a second time also holds what this and another store wrote meanwhile, and changing a copy of it
    changes nothing."""
    with Store.open(path, settings, now) as mine, Store.open(path, settings, now) as theirs:
        mine.append("review", "a#recall", now, rating=3)
        mine.events().clear()
        theirs.append("review", "b#recall", now, rating=3)
        assert [event.card for event in mine.events()] == ["a#recall", "b#recall"] and mine.events() == theirs.events()


def test_ratings_are_the_four(store, now):
    """Each of the four ratings can be written, as number or name."""
    for rating in Rating:
        store.append("review", f"{rating.name}#recall", now, rating=rating)
    assert [event.rating for event in store.events()] == [1, 2, 3, 4]
