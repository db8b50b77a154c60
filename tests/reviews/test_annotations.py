"""A star and a note on a card."""

from datetime import timedelta

import pytest

from studyapp.errors import DamagedError, StoreError
from studyapp.reviews.acts import Acts
from studyapp.reviews.annotations import LONGEST_NOTE, Annotation
from studyapp.reviews.merge import merge
from studyapp.reviews.practice import PracticeSession
from studyapp.reviews.repair import rebuild
from studyapp.reviews.restore import restore
from studyapp.reviews.store import Store
from studyapp.reviews.study import StudySession

CARD = "a#recall"


def test_a_star_and_a_note_are_the_last_said_and_can_be_taken_away(store, now):
    """The last note and the last star count, an empty note is none, and saying the same again writes nothing."""
    acts = Acts(store)
    assert acts.annotate(CARD, now, starred=True, note="first") == Annotation(True, "first")
    assert acts.annotate(CARD, now, note="second $x$") == Annotation(True, "second $x$")
    written = store.count("events")
    acts.annotate(CARD, now, starred=True, note="second $x$\n")
    assert store.count("events") == written
    assert acts.annotate(CARD, now, starred=False, note="") == Annotation()
    assert store.annotations() == {}


def test_an_annotation_changes_no_schedule(store, now):
    """The card stays as it is and as it was shown, and a review of a moment before the star is not refused."""
    store.append("review", CARD, now, rating=3)
    shown = store.card(CARD)
    Acts(store).annotate(CARD, now + timedelta(days=1), starred=True, note="x")
    assert store.card(CARD) == shown and list(store.differences()) == []
    store.write("review", CARD, now + timedelta(hours=1), expect=shown, rating=3)
    assert store.card(CARD).reps == 2


@pytest.mark.parametrize("kind", [StudySession, PracticeSession])
def test_a_sitting_takes_its_annotations_back(store, now, kind):
    """Undo in a sitting takes back the note, then the star, and redo gives them again; the card on show stays the same."""
    session = kind(store, [CARD, "b#recall"], now)
    shown = session.next(now)
    session.annotate(CARD, now, starred=True)
    session.annotate(CARD, now, note="x")
    assert session.next(now) == shown
    assert session.undo(now).kind == "note" and store.annotation(CARD) == Annotation(True)
    assert session.undo(now).kind == "star" and store.annotation(CARD) == Annotation()
    session.redo(now), session.redo(now)
    assert store.annotation(CARD) == Annotation(True, "x") and session.summary().reviews == 0


def test_a_note_that_was_written_over_comes_back_by_undo(store, now):
    """Undo of this database takes back the last note and shows the one before."""
    for text in ("one", "two"):
        store.append("note", CARD, now, data={"text": text})
    store.undo(now)
    assert store.annotation(CARD).note == "one"


def test_annotations_survive_all_that_reviews_survive(store, settings, now, tmp_path, path):
    """Stars and notes are there after a backup and restore, after a rebuild, and from a file whose cards are lost."""
    Acts(store).annotate(CARD, now, starred=True, note="缓存 $x$")
    store.append("review", "b#recall", now, rating=3)
    expected, copy = store.annotations(), store.backup(tmp_path / "copy.db")
    store.append("note", CARD, now, data={"text": ""})
    store.close()
    restore(copy, path)
    rebuild(path, settings)
    with Store.open(path, settings, now) as again, Store.open(tmp_path / "fresh.db", settings, now) as fresh:
        assert again.annotations() == expected == {CARD: Annotation(True, "缓存 $x$")}
        merge(fresh, path)
        assert fresh.annotations() == expected


def test_of_two_machines_the_last_note_wins(store, settings, now, tmp_path):
    """Merged either way, the note written later counts, and a star of one machine joins a note of the other."""
    with Store.open(tmp_path / "other.db", settings, now) as other:
        store.append("note", CARD, now, data={"text": "earlier"})
        store.append("star", CARD, now)
        other.append("note", CARD, now + timedelta(minutes=1), data={"text": "later"})
        merge(store, other.path)
        merge(other, store.path)
        assert store.annotations() == other.annotations() == {CARD: Annotation(True, "later")}


def test_a_note_is_plain_text_of_a_bounded_length(store, now):
    """Control and bidi characters are left out, line ends are one kind, and what is too long is refused whole."""
    acts = Acts(store)
    assert acts.annotate(CARD, now, note="\n\x1b]0;x\x07a \r\nb\u202e\n\n").note == "]0;xa\nb"
    with pytest.raises(StoreError, match="at most"):
        acts.annotate(CARD, now, note="x" * (LONGEST_NOTE + 1))
    assert store.annotation(CARD).note == "]0;xa\nb"


def test_a_note_without_text_is_damage(store, now):
    """An event that no version can have written is told as damage, not shown."""
    store._events.insert(store._event("note", CARD, now, [], data={"text": 5}))
    with pytest.raises(DamagedError):
        store.annotations()


def test_annotations_are_found_without_a_look_at_the_reviews(store):
    """SQLite takes their own index, however many reviews there are."""
    seen: list[str] = []
    store._connection.set_trace_callback(seen.append)
    store.annotations()
    store._connection.set_trace_callback(None)
    plan = " ".join(str(row) for row in store._connection.execute(f"EXPLAIN QUERY PLAN {seen[-1]}"))
    assert "events_of_annotations" in plan, plan
