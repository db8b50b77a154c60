"""Practice: answers that schedule nothing."""

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st

from studyapp.errors import StaleCardError, StoreError
from studyapp.reviews.acts import Acts
from studyapp.reviews.log import Rating
from studyapp.reviews.practice import PracticeSession
from studyapp.reviews.sessions import Counts


def test_practice_writes_nothing(store, now):
    """Practice goes once through the cards, failed ones come again, undo puts one back, and the log stays empty."""
    sitting = PracticeSession(store, ["a", "b", "a"], now)
    assert sitting.counts(now) == Counts(due=2)
    sitting.answer(sitting.next(now), Rating.AGAIN, now)
    sitting.answer(sitting.next(now), Rating.GOOD, now)
    assert sitting.next(now).card == "a" and sitting.preview(sitting.next(now), now) == {}
    act = sitting.undo(now)
    assert (act.kind, act.card, act.rating) == ("review", "b", Rating.GOOD)
    assert sitting.next(now).card == "b" and sitting.counts(now) == Counts(due=2)
    assert (act := sitting.redo(now)) is not None and act.card == "b"
    sitting.answer(sitting.next(now), Rating.GOOD, now)
    assert sitting.next(now) is None and sitting.redo(now) is None and store.events() == []
    assert sitting.summary().reviews == 3 and sitting.summary().ratings[Rating.AGAIN] == 1


def test_after_undo_the_card_can_be_rated_again(store, now):
    """Undo goes back to a card that can be rated, and what it says is what it took back."""
    sitting = PracticeSession(store, ["first", "second"], now)
    first = sitting.next(now)
    sitting.answer(first, Rating.GOOD, now)
    with pytest.raises(StaleCardError):
        sitting.answer(first, Rating.GOOD, now)
    sitting.undo(now)
    sitting.answer(sitting.next(now), Rating.HARD, now)
    assert sitting.next(now).card == "second" and sitting.summary().ratings[Rating.HARD] == 1


def test_cards_put_away_are_not_practised(store, now):
    """Suspended cards are left out of practice, buried ones on their day."""
    store.append("suspend", "a", now)
    store.append("bury", "b", now)
    assert PracticeSession(store, ["a", "b", "c"], now).counts(now) == Counts(due=1)
    assert PracticeSession(store, ["a", "b", "c"], now + timedelta(days=1)).counts(now) == Counts(due=2)


def test_putting_a_card_away_in_practice_is_written_and_taken_back(store, now):
    """A card suspended in practice leaves the sitting and is suspended; undo brings it back to its place, in both."""
    sitting = PracticeSession(store, ["a", "b", "c"], now)
    sitting.suspend("a", now)
    sitting.answer(sitting.next(now), Rating.GOOD, now)
    sitting.bury("c", now)
    assert store.card("a").suspended and sitting.next(now) is None
    assert [sitting.undo(now).kind for _ in range(3)] == ["bury", "review", "suspend"] and sitting.undo(now) is None
    assert sitting.next(now).card == "a" and not store.card("a").suspended and store.card("c").buried_day is None


def test_a_rating_that_does_not_exist_is_refused(store, now):
    """A rating other than 1 to 4 is refused."""
    with pytest.raises(StoreError, match="not a rating"):
        PracticeSession(store, ["a"], now).answer(store.card("a"), 0, now)


verbs = st.lists(st.sampled_from(["again", "good", "suspend", "bury", "undo", "redo"]), max_size=25)


@given(verbs)
@effort(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_undo_and_redo_in_practice_walk_the_same_way(store, now, done):
    """After any steps, undoing all and redoing all comes back to the same card and counts, through the same cards."""
    sitting = PracticeSession(store, ["a", "b", "c"], now)
    for verb in done:
        shown = sitting.next(now)
        if verb in ("undo", "redo"):
            getattr(sitting, verb)(now)
        elif shown is not None and verb in ("suspend", "bury"):
            getattr(sitting, verb)(shown.card, now)
        elif shown is not None:
            sitting.answer(shown, Rating.AGAIN if verb == "again" else Rating.GOOD, now)
    end, seen = (sitting.next(now), sitting.counts(now)), []
    while act := sitting.undo(now):
        seen.append(act)
        assert sitting.next(now).card == act.card
    assert sitting.counts(now) == Counts(due=3) and sitting.next(now).card == "a"
    forward = []
    while act := sitting.redo(now):
        forward.append(act)
    assert forward[: len(seen)] == seen[::-1] and (len(forward) > len(seen) or (sitting.next(now), sitting.counts(now)) == end)
    while sitting.undo(now):
        pass


def test_what_another_window_took_back_is_not_taken_back_again(store, now):
    """Undo skips a card that was brought back elsewhere meanwhile, and says what it took back: the act before."""
    sitting = PracticeSession(store, ["a", "b", "c"], now)
    sitting.answer(sitting.next(now), Rating.GOOD, now)
    sitting.suspend("b", now)
    Acts(store).unsuspend("b", now)
    store.reverse("undo", next(e.uid for e in store.events() if e.kind == "suspend"), now)
    act = sitting.undo(now)
    assert act is not None and (act.kind, act.card) == ("review", "a")
    assert sitting.counts(now) == Counts(due=3) and sitting.undo(now) is None


def test_what_another_window_did_again_is_not_done_again(store, now):
    """Redo skips a card that was put away elsewhere meanwhile: it leaves this sitting too, and nothing is said to be done."""
    sitting = PracticeSession(store, ["a", "b"], now)
    sitting.suspend("a", now)
    act = sitting.undo(now)
    assert act is not None and store.reverse("redo", act.uid, now)
    assert sitting.redo(now) is None and sitting.next(now).card == "b" and store.card("a").suspended


@pytest.mark.parametrize("turn", ["undo", "redo"])
def test_what_could_not_be_written_is_taken_back_the_next_time(store, now, monkeypatch, turn):
    """A database that refuses costs nothing: the same key works afterwards."""
    sitting = PracticeSession(store, ["a", "b"], now)
    sitting.suspend("a", now)
    if turn == "redo":
        sitting.undo(now)

    def refuse(*_: object) -> None:
        raise StoreError("the database is locked")

    with monkeypatch.context() as locked:
        locked.setattr(store, "reverse", refuse)
        with pytest.raises(StoreError):
            getattr(sitting, turn)(now)
    act = getattr(sitting, turn)(now)
    assert act is not None and (act.kind, act.card) == ("suspend", "a")
