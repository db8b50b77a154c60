"""What a review makes of a card."""

import os
import random
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from fsrs.card import Card as FsrsCard
from fsrs.scheduler import Scheduler as FsrsScheduler
from hypothesis import given
from hypothesis import strategies as st

from studyapp.reviews.cards import CardState, study_day
from studyapp.reviews.log import LogEvent, Rating
from studyapp.reviews.scheduler import EPOCH, Scheduler, fuzzed, interval, replay
from studyapp.settings import Settings

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
UTC_SETTINGS = Settings(timezone="UTC")


def answered(scheduler: Scheduler, *ratings_and_days: tuple[int, int], card: str = "a#recall") -> CardState:
    """The card after these ratings, each so many days after the first."""
    state = CardState(card)
    for seq, (rating, days) in enumerate(ratings_and_days, 1):
        at = NOW + timedelta(days=days)
        day = study_day(at, scheduler.settings)
        state = scheduler.apply(state, LogEvent(str(seq), "review", card, at, day, rating, config=scheduler.config(at)))
    return state


def test_first_ratings_give_the_published_stabilities():
    """A first rating sets stability to FSRS-6's first four parameters."""
    scheduler = Scheduler(UTC_SETTINGS)
    preview = scheduler.preview(CardState("a#recall"), NOW)
    assert [preview[rating].stability for rating in Rating] == [0.212, 1.2931, 2.3065, 8.2956]


def test_learning_steps_are_minutes_of_real_time():
    """Again brings a new card back in 1 minute, Hard between the steps, Good in 10; Easy goes to review by the day."""
    scheduler = Scheduler(UTC_SETTINGS)
    preview = scheduler.preview(CardState("a#recall"), NOW)
    waits = [interval(CardState("a#recall"), preview[rating], NOW) for rating in Rating]
    assert waits[:3] == [timedelta(minutes=1), timedelta(minutes=5.5), timedelta(minutes=10)]
    assert waits[3] >= timedelta(days=6) and preview[Rating.EASY].due_at is None


def test_preview_is_what_apply_does():
    """The interval that stands on a button is the one its press gives."""
    scheduler = Scheduler(UTC_SETTINGS)
    before = answered(scheduler, (4, 0))
    shown = scheduler.preview(before, NOW + timedelta(days=9))
    for rating in Rating:
        done = answered(scheduler, (4, 0), (rating, 9))
        assert done == shown[rating]


def test_elapsed_time_is_counted_in_study_days():
    """A review 23 hours later on the next study day counts as one day, one before the rollover as none."""
    scheduler = Scheduler(UTC_SETTINGS)
    base = answered(scheduler, (4, 0))
    assert base.last_day is not None

    def then(at: datetime) -> CardState:
        return scheduler.preview(base, at)[Rating.GOOD]

    same_day = then(NOW + timedelta(hours=15))  # 3 a.m.: still the day before
    next_day = then(NOW + timedelta(hours=17))  # 5 a.m.: the next
    full_day = then(NOW + timedelta(hours=39))  # 3 a.m. after: still that next day
    assert same_day.stability != next_day.stability
    assert next_day.stability == full_day.stability


def test_a_flight_west_is_no_negative_time():
    """A review on an earlier study day than the last counts as the same day."""
    scheduler = Scheduler(UTC_SETTINGS)
    base = answered(scheduler, (4, 0))
    day = base.last_day
    assert day is not None

    def on(study: int) -> CardState:
        return scheduler.apply(base, LogEvent("2", "review", "a#recall", NOW + timedelta(hours=1), study, 3))

    assert on(day - 1) == on(day)


def test_the_day_turns_at_the_rollover_hour():
    """Three in the morning belongs to the evening before, four to the new day, and the hour can be set."""
    at = datetime(2026, 11, 24, 3, 59, tzinfo=UTC)
    assert study_day(at + timedelta(minutes=1), UTC_SETTINGS) == study_day(at, UTC_SETTINGS) + 1
    assert study_day(at, Settings(timezone="UTC", rollover_hour=0)) == study_day(at, UTC_SETTINGS) + 1
    assert study_day(datetime(1970, 1, 1, 12, tzinfo=UTC), UTC_SETTINGS) == 0


def test_daylight_saving_makes_no_day_twice():
    """Every local day is one study day although a day of 23 or 25 hours is among them."""
    berlin = Settings(timezone="Europe/Berlin")
    start = datetime(2026, 3, 20, 12, tzinfo=UTC)
    days = [study_day(start + timedelta(days=n), berlin) for n in range(365)]
    assert all(b - a == 1 for a, b in pairwise(days))


def test_fuzz_is_the_same_each_time_and_leaves_global_random_alone():
    """Fuzz depends on card and repetition only, and neither reads nor moves the global random numbers."""
    scheduler = Scheduler(UTC_SETTINGS)
    random.seed(1)
    before = random.getstate()
    first = answered(scheduler, (4, 0), (3, 9), (3, 30))
    random.seed(2)
    assert first == answered(scheduler, (4, 0), (3, 9), (3, 30))
    random.seed(1)
    answered(scheduler, (4, 0))
    assert random.getstate() == before
    spread = {fuzzed(100, f"card-{n}", 3, 36500) for n in range(300)}
    assert min(spread) >= 92 and max(spread) <= 108 and len(spread) > 10


@given(st.integers(1, 36500), st.text(), st.integers(0, 99), st.integers(1, 36500))
def test_fuzz_stays_near_and_under_the_longest(days, card, reps, longest):
    """A fuzzed interval is at least a day, never longer than the longest, and near what it was."""
    days = min(days, longest)
    moved = fuzzed(days, card, reps, longest)
    assert 1 <= moved <= longest
    assert abs(moved - days) <= 1.5 + 0.15 * 4.5 + 0.1 * 13 + 0.05 * days


def test_the_longest_interval_holds():
    """No card is put off beyond max_interval_days."""
    scheduler = Scheduler(Settings(timezone="UTC", max_interval_days=30))
    state = answered(scheduler, (4, 0), (4, 30), (4, 60), (4, 90))
    assert state.due_day is not None and state.last_day is not None
    assert state.due_day - state.last_day <= 30


def test_leech_after_so_many_lapses():
    """A card becomes a leech at the eighth lapse; Again while relearning is no lapse."""
    scheduler = Scheduler(UTC_SETTINGS)
    history = [(4, 0)]
    for n in range(7):
        history += [(1, 10 * n + 10), (1, 10 * n + 10), (3, 10 * n + 10)]
    state = answered(scheduler, *history)
    assert (state.lapses, state.leech, state.state) == (7, False, "review")
    state = answered(scheduler, *history, (1, 100))
    assert (state.lapses, state.leech, state.state) == (8, True, "relearning")


def test_steps_may_be_empty():
    """Without learning steps a new card goes straight to review on any rating."""
    scheduler = Scheduler(Settings(timezone="UTC", learning_steps_minutes=(), relearning_steps_minutes=()))
    assert {state.state for state in scheduler.preview(CardState("a#recall"), NOW).values()} == {"review"}


def test_retrievability_falls_to_the_desired_at_the_stability():
    """The chance of recall is 1 on the day, 0.9 after as many days as the stability, and unknown for a new card."""
    scheduler = Scheduler(UTC_SETTINGS)
    state = replace(answered(scheduler, (4, 0)), stability=20.0)
    assert state.last_day is not None
    assert scheduler.retrievability(state, state.last_day) == 1
    assert scheduler.retrievability(state, state.last_day + 20) == pytest.approx(0.9)
    assert scheduler.retrievability(CardState("b#recall"), 0) is None


def test_retrievability_is_the_library_s():
    """The forgetting curve written out is that of fsrs, at any distance and stability."""
    scheduler = Scheduler(UTC_SETTINGS)
    for stability, days in ((0.3, 1), (7.3, 5), (400.0, 900)):
        state = replace(answered(scheduler, (4, 0)), stability=stability)
        card = FsrsCard(1, stability=stability, last_review=EPOCH)
        theirs = FsrsScheduler().get_card_retrievability(card, EPOCH + timedelta(days=days))
        assert scheduler.retrievability(state, state.last_day + days) == pytest.approx(theirs)


def test_settings_of_today_change_no_history():
    """A replay uses the parameters each review was made with, whatever the settings say now."""
    old = Scheduler(UTC_SETTINGS)
    state, config = answered(old, (3, 0), (3, 0), (3, 5)), old.config(NOW)
    events = [
        LogEvent(
            str(seq), "review", "a#recall", NOW + timedelta(days=d), study_day(NOW, UTC_SETTINGS) + d, 3, config=config
        )
        for seq, d in enumerate((0, 0, 5), 1)
    ]
    new = Scheduler(
        Settings(timezone="Asia/Tokyo", desired_retention=0.8, parameters=(0.3, *old.parameters[1:]))
    )
    assert replay(new, events) == {"a#recall": state}


kinds = st.sampled_from(["review"] * 5 + ["suspend", "unsuspend", "bury", "reset"])
actions = st.lists(
    st.tuples(kinds, st.sampled_from(["a#recall", "b#recall"]), st.integers(1, 4), st.integers(0, 4 * 24 * 60)),
    max_size=25,
)


@given(actions, st.sampled_from(["Pacific/Kiritimati", "America/Los_Angeles", "Asia/Shanghai", "Europe/Berlin"]))
def test_replay_is_the_same_in_every_time_zone(done, place):
    """The log makes the same cards wherever it is replayed, by the settings' zone or the computer's own."""
    at, events = NOW, []
    scheduler = Scheduler(UTC_SETTINGS)
    for seq, (kind, card, rating, minutes) in enumerate(done, 1):
        at += timedelta(minutes=minutes)
        given_rating = rating if kind == "review" else None
        config = scheduler.config(at) if kind == "review" else None
        day = study_day(at, UTC_SETTINGS)
        events.append(LogEvent(f"{seq:03d}", kind, card, at, day, given_rating, config=config))
    here = replay(scheduler, events)
    old = os.environ.get("TZ")
    os.environ["TZ"] = place
    time.tzset()
    try:
        assert replay(Scheduler(Settings(timezone=place)), events) == here
        assert replay(Scheduler(Settings()), events) == here
    finally:
        os.environ.pop("TZ") if old is None else os.environ.update(TZ=old)
        time.tzset()


def test_stability_and_difficulty_agree_with_anki(tmp_path):
    """Stability and difficulty after a history are those of Anki's own engine."""
    pytest.importorskip("anki")
    from anki.collection import Collection
    from anki.consts import QUEUE_TYPE_REV

    rng = random.Random(7)
    scheduler = Scheduler(UTC_SETTINGS)
    collection = Collection(str(tmp_path / "oracle.anki2"))
    try:
        collection.set_config("fsrs", True)
        model = collection.models.by_name("Basic")
        today = collection.sched.today
        assert model is not None and today is not None
        stamp = int(time.time()) - 3600
        for number in range(12):
            note = collection.new_note(model)
            note["Front"], note["Back"] = f"q{number}", "a"
            collection.add_note(note, collection.decks.id("Default"))
            card = note.cards()[0]
            history = [(rng.randint(1, 4), 0)]
            back = [rng.randint(60, 90)]
            for _ in range(rng.randint(1, 5)):
                back.append(back[-1] - rng.randint(1, 10))
                history.append((rng.randint(1, 4), back[0] - back[-1]))
            for (rating, _), ago in zip(history, back, strict=True):
                collection.db.execute(
                    "insert into revlog values (?, ?, -1, ?, 5, 5, 2500, 5000, ?)",
                    (stamp - ago * 86400) * 1000 + number,
                    card.id,
                    rating,
                    0 if ago == back[0] else 1,
                )
            card.type, card.queue, card.ivl, card.due, card.reps = 2, QUEUE_TYPE_REV, 5, today + 5, len(history)
            collection.update_card(card)
            theirs = collection._backend.compute_memory_state(card.id)
            ours = replayed_days(scheduler, history)
            assert ours.stability == pytest.approx(theirs.state.stability, rel=1e-4)
            assert ours.difficulty == pytest.approx(theirs.state.difficulty, rel=1e-4)
    finally:
        collection.close()


def replayed_days(scheduler: Scheduler, history: list[tuple[int, int]]) -> CardState:
    """The card after these ratings, by study day."""
    return answered(scheduler, *history)
