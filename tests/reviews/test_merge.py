"""Two machines, one log."""

import sqlite3
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st
from sqlite_utils import Database

from studyapp.errors import StoreError
from studyapp.reviews.annotations import Annotation
from studyapp.reviews.merge import merge
from studyapp.reviews.scheduler import replay
from studyapp.reviews.store import Store
from studyapp.settings import Settings

HERE, THERE = Settings(timezone="UTC"), Settings(timezone="Asia/Tokyo", desired_retention=0.8)
steps = st.lists(
    st.tuples(
        st.sampled_from(["here", "there"]),
        st.sampled_from(["review"] * 6 + ["undo", "undo", "redo", "suspend", "unsuspend", "bury", "reset", "merge"]
                        + ["star", "unstar", "note", "note"]),
        st.sampled_from(["a#recall", "b#recall"]),
        st.integers(1, 4),
        st.sampled_from([0, 0, 1, 7, 600, 1440, 14400, -30, -3000]),
    ),
    max_size=30,
)


@given(steps, st.integers(-3000, 3000))
@effort(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_two_logs_merge_to_the_same_cards(tmp_path_factory, now, done, apart):
    """Whatever two machines did, with clocks that differ and go back, merged either way they hold the same log and the
    same cards, which are its replay; a second merge changes nothing, and studying goes on."""
    folder = tmp_path_factory.mktemp("m")
    with Store.open(folder / "a.db", HERE, now) as here, Store.open(folder / "b.db", THERE, now) as there:
        stores = {"here": here, "there": there}
        clocks = {"here": now, "there": now + timedelta(minutes=apart)}
        for who, verb, card, rating, minutes in done:
            store, clocks[who] = stores[who], clocks[who] + timedelta(minutes=minutes)
            act(store, there if store is here else here, verb, card, clocks[who], rating)
            assert store.cards() == replay(store.scheduler, store.events())
        merge(here, there.path)
        merge(there, here.path)
        assert here.events() == there.events() and here.cards() == there.cards()
        assert here.cards() == replay(here.scheduler, here.events())
        assert [list(store.differences()) for store in (here, there)] == [[], []]
        assert (merge(here, there.path).new, merge(there, here.path).new) == (0, 0)
        assert here.days() == there.days()
        assert here.annotations() == there.annotations() == last_said(here.events())
        for verb in ("undo", "redo", "suspend", "reset"):
            act(here, there, verb, "a#recall", clocks["here"], 3)
            assert here.cards() == replay(here.scheduler, here.events())


def last_said(events):
    """By card the star and the note that count: of each the last event, in the order of (at, uid), that is not undone."""
    undone = {}
    for event in sorted(events, key=lambda event: (event.at, event.uid)):
        undone[event.target] = event.kind == "undo"
    stands = [event for event in events if event.kind in ("star", "unstar", "note") and not undone.get(event.uid)]
    said = {}
    for event in sorted(stands, key=lambda event: (event.at, event.uid)):
        star, note = said.get(event.card, (False, ""))
        said[event.card] = (star, event.data["text"]) if event.kind == "note" else (event.kind == "star", note)
    return {card: Annotation(*what) for card, what in said.items() if what != (False, "")}


def act(store, other, verb, card, at, rating):
    """One step on one machine; a review before the card's last is refused, as it is for a learner."""
    if verb == "merge":
        merge(store, other.path)
    elif verb in ("undo", "redo"):
        getattr(store, verb)(at)
    elif verb != "review":
        store.append(verb, card, at, data={"text": f"note {rating}" if rating > 1 else ""} if verb == "note" else None)
    else:
        try:
            store.append(verb, card, at, rating=rating)
        except StoreError as error:
            assert "before its last" in error.message


def test_a_review_between_two_is_put_between_them(path, settings, now, tmp_path):
    """A review of the other machine that lies before the last one here counts in the order of time."""
    with Store.open(path, settings, now) as mine, Store.open(tmp_path / "other.db", settings, now) as theirs:
        for store, days, rating in ((mine, 0, 4), (theirs, 5, 1), (mine, 9, 3)):
            store.append("review", "a#recall", now + timedelta(days=days), rating=rating)
        merged = merge(mine, theirs.path)
        assert (merged.new, merged.known) == (1, 0)
        assert [event.rating for event in mine.events()] == [4, 1, 3]
        card = mine.card("a#recall")
        assert (card.reps, card.lapses) == (3, 1)


def test_undo_takes_back_what_was_done_here(path, settings, now, tmp_path):
    """After a merge undo and redo are still of this machine's own acts, though the other's are newer."""
    with Store.open(path, settings, now) as mine, Store.open(tmp_path / "other.db", settings, now) as theirs:
        mine.append("review", "a#recall", now, rating=3)
        theirs.append("review", "b#recall", now + timedelta(days=1), rating=3)
        theirs.append("suspend", "c#recall", now + timedelta(days=1))
        theirs.undo(now + timedelta(days=1))
        merge(mine, theirs.path)
        assert mine.redo(now) is None
        assert (back := mine.undo(now + timedelta(days=2))) is not None and back.card == "a#recall"
        assert mine.undo(now + timedelta(days=2)) is None and mine.card("b#recall").reps == 1


def test_the_other_is_only_read_and_this_one_kept(path, settings, now, tmp_path):
    """A merge leaves the other file as it is, and keeps a copy of this one as it was where something was new."""
    other = tmp_path / "other.db"
    with Store.open(other, settings, now) as theirs:
        theirs.append("review", "b#recall", now, rating=3)
    raw = other.read_bytes()
    with Store.open(path, settings, now) as mine:
        mine.append("review", "a#recall", now, rating=3)
        before = mine.cards()
        first, second = merge(mine, other), merge(mine, other)
        assert second.backup is None and first.backup is not None
        with Store.open(first.backup, settings, now) as copy:
            assert copy.cards() == before
    assert other.read_bytes() == raw


def test_what_is_no_log_of_reviews_is_refused(store, settings, now, tmp_path):
    """A missing file, a text, a database of something else, the database itself and a damaged one merge nothing."""
    store.append("review", "a#recall", now, rating=3)
    (tmp_path / "notes.txt").write_text("not a database, but long enough to be read as one " * 50)
    Database(tmp_path / "events.db")["events"].insert({"id": 1, "name": "a party"})
    with Store.open(tmp_path / "damaged.db", settings, now) as other:
        for n in range(50):
            other.append("review", f"{n}#recall", now, rating=3)
    raw = bytearray((tmp_path / "damaged.db").read_bytes())
    raw[8192:] = bytes(len(raw) - 8192)
    (tmp_path / "damaged.db").write_bytes(raw)
    for file in (*(tmp_path / n for n in ("missing.db", "notes.txt", "events.db", "damaged.db")), store.path):
        with pytest.raises(StoreError) as caught:
            merge(store, file)
        assert str(file) in caught.value.message and caught.value.hint
    assert store.count("events") == 1


def test_another_event_under_the_same_uid_is_refused(store, settings, now, tmp_path):
    """A log whose event differs from ours under the same uid is refused whole."""
    mine = store.append("review", "a#recall", now, rating=3)
    with Store.open(tmp_path / "other.db", settings, now) as theirs:
        theirs.append("review", "b#recall", now, rating=3)
        theirs._events.insert(type(mine)(**{name: getattr(mine, name) for name in mine.__slots__} | {"rating": 1}))
        with pytest.raises(StoreError, match="different events"):
            merge(store, theirs.path)
    assert store.events() == [mine]


def test_a_kind_of_another_version_is_taken_along(store, settings, now, tmp_path):
    """Events of a kind that is not known here are kept, passed on, and change no card."""
    with Store.open(tmp_path / "other.db", settings, now) as theirs:
        made = theirs.append("review", "b#recall", now, rating=3)
        theirs._events.insert(theirs._event("interview", "b#recall", now, [made], data={"minutes": 30}))
        merge(store, theirs.path)
    assert [event.kind for event in store.events()] == ["review", "interview"]
    assert store.card("b#recall").reps == 1 and list(store.differences()) == []
    assert isinstance(store.db.conn, sqlite3.Connection)
