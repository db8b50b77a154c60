"""One sitting: what comes next, what is left, and what another process did meanwhile."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st

from studyapp.errors import StaleCardError, StoreError
from studyapp.reviews.acts import Acts
from studyapp.reviews.log import Rating
from studyapp.reviews.scheduler import Scheduler, replay
from studyapp.reviews.sessions import Counts
from studyapp.reviews.store import Store
from studyapp.reviews.study import StudySession
from studyapp.settings import Settings

CARDS = [f"{letter}#recall" for letter in "abcdef"]
DAY = timedelta(days=1)


def sit(store, settings, now, order=CARDS):
    """A sitting over the six cards."""
    store.configure(settings)
    return StudySession(store, order, now)


def test_new_cards_come_in_order(store, settings, now):
    """New cards come in the order given, each only once although it stands there twice."""
    sitting = sit(store, settings, now, order=["b", "a", "b", "c"])
    seen = []
    while card := sitting.next(now):
        seen.append(card.card)
        sitting.answer(card, Rating.EASY, now)
    assert seen == ["b", "a", "c"]


def test_what_is_done_to_other_cards_counts_against_the_limits(store, settings, now):
    """Only the cards of the sitting are studied; what is done to others counts against the day's limits."""
    store.append("review", "f#recall", now, rating=4)
    assert sit(store, replace(settings, new_per_day=3), now, order=CARDS[:2]).counts(now) == Counts(new=2)
    assert sit(store, replace(settings, new_per_day=2), now, order=CARDS[:2]).counts(now) == Counts(new=1)


def test_the_limits_of_a_day(store, settings, now):
    """No more new cards and reviews come on a day than the settings allow, and the next day starts afresh."""
    few = replace(settings, new_per_day=4, reviews_per_day=3)
    sitting = sit(store, few, now)
    for _ in range(4):
        sitting.answer(sitting.next(now), Rating.EASY, now)
    assert sitting.next(now) is None and sitting.counts(now) == Counts()
    later = now + 40 * DAY
    assert sitting.counts(later) == Counts(new=2, due=3)
    for _ in range(3):
        sitting.answer(sitting.next(later), Rating.GOOD, later)
    assert sitting.counts(later) == Counts(new=2)
    sitting.undo(later)
    assert sitting.counts(later) == Counts(new=2, due=1)


def test_a_sitting_begun_again_knows_what_was_done(store, settings, now):
    """A second sitting on the same day goes on with what is left of the limits."""
    few = replace(settings, new_per_day=2)
    sitting = sit(store, few, now)
    sitting.answer(sitting.next(now), Rating.EASY, now)
    assert sit(store, few, now).counts(now) == Counts(new=1)


def test_learning_cards_come_when_their_minute_has_come(store, settings, now):
    """A card failed comes back after its minute, before further new cards; ahead of it only when nothing else is left."""
    sitting = sit(store, settings, now)
    sitting.answer(store.card("a#recall"), Rating.AGAIN, now)
    assert sitting.next(now).card == "b#recall"
    assert sitting.next(now + timedelta(minutes=1)).card == "a#recall"
    for card in CARDS[1:]:
        sitting.answer(store.card(card), Rating.EASY, now)
    assert sitting.next(now).card == "a#recall" and sitting.counts(now) == Counts(learning=1)


def test_learn_ahead_reaches_only_so_far(store, now):
    """A learning card further off than the learn-ahead time waits, and the sitting says until when."""
    slow = Settings(timezone="UTC", learning_steps_minutes=(30,), learn_ahead_minutes=20)
    with Store.open(store.path.with_name("slow.db"), slow, now) as mine:
        sitting = sit(mine, slow, now, order=["a"])
        sitting.answer(mine.card("a"), Rating.AGAIN, now)
        assert sitting.next(now) is None and sitting.waiting(now) == now + timedelta(minutes=30)
        soon = now + timedelta(minutes=10)
        assert sitting.next(soon) is not None and sitting.waiting(soon) is None


def test_learning_ahead_does_not_repeat_the_card_just_seen(store, settings, now):
    """With two failed cards left they take turns."""
    sitting = sit(store, settings, now, order=["a", "b"])
    sitting.answer(store.card("a"), Rating.GOOD, now)
    sitting.answer(store.card("b"), Rating.AGAIN, now)
    assert sitting.next(now).card == "a"


def test_the_other_process_counts_too(path, settings, now):
    """What another store writes is seen at the next look, and an answer to the card it took is refused."""
    with Store.open(path, settings, now) as mine, Store.open(path, settings, now) as theirs:
        here, there = sit(mine, settings, now), sit(theirs, settings, now)
        shown = here.next(now)
        there.answer(there.next(now), Rating.EASY, now)
        with pytest.raises(StoreError, match="changed since"):
            here.answer(shown, Rating.GOOD, now)
        assert here.next(now).card == "b#recall" and here.counts(now) == Counts(new=5)
        assert mine.card("a#recall").reps == 1


def test_bury_until_tomorrow_and_suspend_until_called(store, settings, now):
    """A buried card is back on the next study day, a suspended one when unsuspended, and undo brings back either."""
    sitting = sit(store, settings, now, order=["a", "b"])
    sitting.bury("a", now)
    assert sitting.next(now).card == "b"
    sitting.suspend("b", now)
    assert sitting.next(now) is None
    sitting.undo(now)
    assert sitting.next(now).card == "b"
    sitting.redo(now)
    assert sitting.next(now + DAY).card == "a" and sitting.counts(now + DAY) == Counts(new=1)
    with pytest.raises(StoreError, match="suspended"):
        sitting.answer(store.card("b"), Rating.GOOD, now)
    Acts(store).unsuspend("b", now)
    assert sitting.next(now).card == "b"


def test_undo_takes_the_answer_out_of_the_summary(store, settings, now):
    """The summary counts answers that stand, their seconds and ratings."""
    sitting = sit(store, settings, now)
    sitting.answer(store.card("a#recall"), Rating.EASY, now, seconds=5)
    sitting.answer(store.card("b#recall"), Rating.AGAIN, now, seconds=7)
    assert (sitting.summary().reviews, sitting.summary().seconds) == (2, 12)
    sitting.undo(now)
    assert sitting.summary().ratings == {1: 0, 2: 0, 3: 0, 4: 1}
    sitting.redo(now)
    assert sitting.summary().ratings == {1: 1, 2: 0, 3: 0, 4: 1}


def test_a_leech_made_here_is_named(store, now):
    """A card that becomes a leech in the sitting stands in its summary."""
    strict = Settings(timezone="UTC", leech_lapses=1)
    with Store.open(store.path.with_name("strict.db"), strict, now) as mine:
        sitting = sit(mine, strict, now)
        sitting.answer(mine.card("a#recall"), Rating.EASY, now)
        assert sitting.answer(mine.card("a#recall"), Rating.AGAIN, now + 20 * DAY).leech
        assert sitting.summary().leeches == ("a#recall",)


def test_a_rating_that_does_not_exist_is_refused(store, settings, now):
    """A rating other than 1 to 4 is refused and nothing is written."""
    with pytest.raises(StoreError, match="not a rating"):
        sit(store, settings, now).answer(store.card("a#recall"), 5, now)
    assert store.count("events") == 0


def test_an_answer_to_a_card_that_changed_is_told_apart(path, settings, now):
    """A card that another window answered, or put away, is a StaleCardError; one that is as it was shown is not."""
    with Store.open(path, settings, now) as mine, Store.open(path, settings, now) as theirs:
        here, shown = sit(mine, settings, now), mine.card("a#recall")
        for verb in ("review", "suspend", "bury"):
            theirs.append(verb, "a#recall", now, **({"rating": 3} if verb == "review" else {}))
            with pytest.raises(StaleCardError):
                here.answer(shown, Rating.GOOD, now)
            theirs.undo(now)
        assert here.answer(shown, Rating.GOOD, now).reps == 1


def test_undo_in_a_sitting_takes_back_what_it_did_itself(path, settings, now):
    """A sitting never takes back what another window, topic or screen did, says what it took back, and goes on to
    what it did before where its last act was taken back elsewhere."""
    with Store.open(path, settings, now) as mine, Store.open(path, settings, now) as theirs:
        here, there = sit(mine, settings, now, CARDS[:3]), sit(theirs, settings, now, CARDS[3:])
        here.answer(here.next(now), Rating.HARD, now)
        here.suspend("b#recall", now)
        there.answer(there.next(now), Rating.EASY, now)
        assert sit(mine, settings, now).undo(now) is None
        act = here.undo(now)
        assert (act.kind, act.card, act.rating) == ("suspend", "b#recall", None)
        back = here.redo(now)
        assert back.card == "b#recall"
        mine.reverse("undo", back.uid, now)
        act = here.undo(now)
        assert (act.kind, act.card, act.rating) == ("review", "a#recall", Rating.HARD)
        assert here.undo(now) is None and mine.card("d#recall").reps == 1


def test_something_new_forgets_what_could_be_done_again(store, settings, now):
    """After an undo and a new answer there is nothing to do again."""
    sitting = sit(store, settings, now)
    sitting.answer(sitting.next(now), Rating.GOOD, now)
    sitting.undo(now)
    sitting.answer(store.card("b#recall"), Rating.GOOD, now)
    assert sitting.redo(now) is None and store.card("a#recall").reps == 0


@pytest.mark.parametrize("retention", [0.75, 0.9, 0.97])
def test_the_interval_on_the_button_is_the_one_stored(store, now, retention):
    """With any desired retention, set before or while the sitting runs, the card is what the button promised, and the
    higher the retention the sooner it comes."""
    sitting = sit(store, Settings(timezone="UTC"), now)
    sitting.answer(store.card("a#recall"), Rating.EASY, now)
    store.configure(Settings(timezone="UTC", desired_retention=retention))
    later = now + 9 * DAY
    shown = store.card("a#recall")
    promised = sitting.preview(shown, later)[Rating.GOOD]
    assert sitting.answer(shown, Rating.GOOD, later) == promised
    assert store.events()[-1].config.desired_retention == retention
    days = promised.due_day - promised.last_day
    ordinary = Scheduler(Settings(timezone="UTC")).preview(shown, later)[Rating.GOOD]
    difference = days - (ordinary.due_day - ordinary.last_day)
    assert (difference > 0) == (retention < 0.9) and (difference < 0) == (retention > 0.9)


def test_a_sitting_names_itself_in_what_it_writes(store, settings, now):
    """All answers of a sitting carry one name, another sitting's another, beside what the kind of card keeps."""
    for card in ("a#recall", "b#recall"):
        sitting = sit(store, settings, now)
        for _ in range(2):
            sitting.answer(store.card(card), Rating.GOOD, now, data={"ticked": [1]})
    names = [event.data["sitting"] for event in store.events()]
    assert names[0] == names[1] != names[2] == names[3] and store.events()[0].data["ticked"] == [1]


def test_an_answer_reads_no_table_through(store, settings, now):
    """From showing a card to the next, every statement finds its rows by an index, so the log may grow for ever."""
    sitting = sit(store, settings, now)
    card, said = sitting.next(now), []
    store.db.conn.set_trace_callback(said.append)
    sitting.preview(card, now)
    sitting.answer(card, Rating.GOOD, now, seconds=3)
    sitting.counts(now)
    sitting.next(now)
    store.db.conn.set_trace_callback(None)
    asked = [statement for statement in said if statement.startswith("SELECT")]
    plans = [row[3] for statement in asked for row in store.db.conn.execute(f"EXPLAIN QUERY PLAN {statement}")]
    assert len(asked) >= 4 and not [plan for plan in plans if plan.startswith("SCAN")]


steps = st.lists(
    st.tuples(
        st.sampled_from(["answer"] * 6 + ["undo", "redo", "bury", "suspend", "unsuspend", "reset", "elsewhere", "unmake"]),
        st.integers(1, 4),
        st.sampled_from(CARDS),
        st.sampled_from([0, 1, 7, 25, 600, 1440, 14400]),
    ),
    max_size=40,
)


@given(steps, st.integers(0, 4), st.integers(0, 4))
@effort(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_long_sitting_agrees_with_one_begun_anew(tmp_path_factory, now, done, new, reviews):
    """After any acts, here and elsewhere, the queues kept equal those of a fresh sitting, and are empty just at the end."""
    settings = Settings(timezone="UTC", new_per_day=new, reviews_per_day=reviews)
    path, at = tmp_path_factory.mktemp("s") / "study.db", now
    with Store.open(path, settings, now) as store, Store.open(path, settings, now) as other:
        sitting, acts = sit(store, settings, at), Acts(store)
        for verb, rating, card, minutes in done:
            at += timedelta(minutes=minutes)
            shown = sitting.next(at)
            if verb == "answer" and shown is not None:
                sitting.answer(shown, rating, at)
            elif verb in ("undo", "redo"):
                getattr(sitting, verb)(at)
            elif verb == "elsewhere":
                other.append("review", card, at, rating=rating)
            elif verb == "unmake":
                other.undo(at)
            elif verb in ("bury", "suspend"):
                getattr(sitting, verb)(card, at)
            elif verb != "answer":
                getattr(acts, verb)(card, at)
            fresh = sit(store, settings, at)
            assert sitting.counts(at) == fresh.counts(at)
            assert (sitting.next(at) is None) == (fresh.counts(at) == Counts())
            assert (sitting._new, sitting._due, sitting._learning) == (fresh._new, fresh._due, fresh._learning)
        assert store.cards() == replay(store.scheduler, store.events())
