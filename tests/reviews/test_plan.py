"""A plan for a day: what it asks, what it expects, and that it is better than none."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from studyapp.reviews.cards import CardState
from studyapp.reviews.course import ByDueDate, Cards, Costs, Policy, simulate
from studyapp.reviews.memory import Memory
from studyapp.reviews.plan import Goal, Learner, Plan, Wanted, first_ratings, make_plan, pace
from studyapp.reviews.scheduler import Scheduler
from studyapp.reviews.store import Store
from studyapp.reviews.study import PlannedSession
from studyapp.settings import Settings
from tests.reviews.conftest import NOW

WEIGHTS = Scheduler(Settings()).parameters
LEARNER = Learner(WEIGHTS)
MEMORY = Memory(WEIGHTS)


def unseen(count: int, core: int, topics: int = 1) -> list[Wanted]:
    """New cards, the last `core` of them core: without a plan they come last."""
    return [
        Wanted(CardState(f"q{n}#recall"), f"t{n % topics}", n >= count - core, 5.0 if n >= count - core else 1.0)
        for n in range(count)
    ]


def known(name: str, stability: float, last_day: int, weight: float = 5.0) -> Wanted:
    """A card in review."""
    state = CardState(f"{name}#recall", "review", due_day=last_day + 3, stability=stability, difficulty=5.0, last_day=last_day)
    return Wanted(state, "t0", True, weight)


def made(cards: list[Wanted], days: int, minutes: float, **options: float) -> Plan:
    return make_plan(cards, Goal(100 + days, minutes), LEARNER, 100, **options)


def test_what_counts_most_is_learnt_first() -> None:
    """Of new cards the core ones come first, in the order of learning."""
    plan = made(unseen(60, 20), days=20, minutes=20)
    assert plan.new[:5] == tuple(f"q{n}#recall" for n in range(40, 45)) and not plan.due


@pytest.mark.parametrize(("days", "minutes"), [(6, 20.0), (20, 20.0), (45, 15.0)])
def test_the_plan_beats_the_schedule(days: int, minutes: float) -> None:
    """More of the core is recalled that day than by due date with the same minutes, also where core cards come first without it."""
    cards = sorted(unseen(120, 70), key=lambda each: -each.weight)
    learner = replace(LEARNER, unplanned=ByDueDate(new=999, due=999))
    plan = make_plan(cards, Goal(100 + days, minutes), learner, 100)
    assert plan.core.planned > plan.core.unplanned
    assert all(day.minutes <= minutes + 1e-9 for day in plan.days)


def test_a_far_day_is_simulated_with_fewer_learners(monkeypatch: pytest.MonkeyPatch) -> None:
    """The work grows with the days; of two years it would take half a minute with as many learners as of a month."""
    learners: set[int] = set()

    def counted(*args: Any, **options: Any) -> Any:
        learners.add(options["learners"])
        return simulate(*args, **options)

    monkeypatch.setattr("studyapp.reviews.plan.simulate", counted)
    for days, expected in ((24, {2, 8, 40}), (60, {2, 4, 20}), (300, {2, 8})):
        learners.clear()
        made(unseen(12, 6), days, 5)
        assert learners == expected


def test_cards_come_back_at_a_higher_chance_as_the_day_nears() -> None:
    """The retention that the plan asks for rises."""
    asked = [day.asked_at for day in made(unseen(120, 120), days=40, minutes=15).days]
    early, late = [a for a in asked[10:20] if a], [a for a in asked[-3:] if a]
    assert np.mean(late) > np.mean(early) + 0.05


def test_on_the_last_day_what_would_be_lost_is_asked() -> None:
    """A card that is nearly forgotten gains more than one that is safe, and one that counts more than one that does not."""
    safe, lost, light = known("safe", 300.0, 99), known("lost", 4.0, 95), known("light", 4.0, 95, weight=1.0)
    plan = made([safe, light, lost], days=1, minutes=2.5)
    assert plan.due == ("lost#recall", "light#recall")


def test_minutes_spent_today_are_counted() -> None:
    """What was studied today is taken from today's minutes, and tomorrow has all of its own."""
    plan = made(unseen(60, 60), days=5, minutes=20, spent=16.0)
    assert len(plan.new) == 2 and plan.days[1].minutes > 15
    assert not made(unseen(60, 60), days=5, minutes=20, spent=30.0).new


def test_a_card_answered_today_is_not_asked_again_today() -> None:
    """Asked again on the same day it would gain nothing."""
    assert made([known("now", 4.0, 100), known("before", 4.0, 97)], days=3, minutes=60).due == ("before#recall",)


def test_too_few_minutes_are_said() -> None:
    """Where the core cannot all be learnt, the plan names the topics of which it is, and the minutes that all would need."""
    plan = made(unseen(90, 90, topics=3), days=5, minutes=10)
    assert plan.core.met < 0.5 and len(plan.covered) < 3 and plan.needed is not None
    enough = made(unseen(90, 90, topics=3), days=5, minutes=plan.needed)
    assert enough.core.met == 1.0 and enough.covered == ["t0", "t1", "t2"] and enough.needed is None
    fewer = made(unseen(90, 90, topics=3), days=5, minutes=plan.needed - 5)
    assert fewer.core.met < 1.0
    assert made(unseen(2000, 2000), days=2, minutes=10).needed is None


def test_the_same_cards_give_the_same_plan() -> None:
    """Nothing is left to chance but by the seed."""
    assert made(unseen(40, 20), 10, 15.0) == made(unseen(40, 20), 10, 15.0)


def test_the_simulation_recalls_as_often_as_the_curve_says() -> None:
    """What is told of the day is what would be found: the mean chance of recall of cards left alone is that of the curve."""
    state = Cards(np.ones(50), np.full(50, 20.0), np.full(50, 5.0), np.zeros(50))
    course = simulate(state, MEMORY, MEMORY, Policy(0.5, 0), days=10, minutes=0.0, costs=Costs(), learners=3)
    assert np.allclose(course.recall, MEMORY.recall(np.array(20.0), 10)) and not course.reviews.any()


def test_a_day_takes_no_more_than_its_minutes() -> None:
    """Under either way of choosing, at the costs given; a lapse costs a second answer."""
    for policy in (Policy(0.9, 3), ByDueDate(new=999, due=999)):
        course = simulate(
            Cards.new([1.0] * 80), MEMORY, MEMORY, policy, days=12, minutes=[5.0, 0.0] * 6, costs=Costs(60, 30), learners=4, seed=2
        )
        assert (course.minutes <= np.array([5.0, 0.0] * 6) + 1e-9).all() and course.new[0] == 5
        assert course.met.mean(0).sum() == pytest.approx(course.new.sum())


def test_by_due_date_keeps_the_limits_of_the_settings() -> None:
    """The schedule without a plan asks no more new cards a day than the settings allow, nor more that are due."""
    course = simulate(
        Cards.new([1.0] * 80), MEMORY, MEMORY, ByDueDate(new=4, due=6), days=15, minutes=60.0, costs=Costs(), learners=4
    )
    assert course.new.max() == 4 and 0 < course.reviews.max() <= 6


def test_pace_and_first_ratings_come_from_the_log(store: Store) -> None:
    """A new card's cost is all of its first day, a review's its own; of few answers the usual ones stand."""
    assert pace(*store.pace()) == Costs() and store.first_ratings() == (0, 0, 0, 0)
    assert pace([10.0] * 9, [10.0] * 9) == Costs(), "of nine answers one says little"
    for n in range(12):
        at = NOW + timedelta(seconds=n)
        store.append("review", f"q{n}#recall", at, rating=1 if n < 3 else 3, seconds=50.0)
        store.append("review", f"q{n}#recall", at + timedelta(minutes=1), rating=4, seconds=40.0)
        store.append("review", f"q{n}#recall", at + timedelta(days=30), rating=3, seconds=20.0)
    assert pace(*store.pace()) == Costs(90.0, 20.0)
    assert store.first_ratings() == (3, 0, 9, 0)
    shares = first_ratings(store.first_ratings())
    assert sum(shares) == pytest.approx(1.0) and shares[2] > 0.55


def test_a_planned_sitting_asks_what_the_plan_asks(store: Store) -> None:
    """Cards not yet due too, in the plan's order and beyond the day's limits; what was answered is done, what is in learning comes."""
    store.configure(replace(store.settings, new_per_day=0, reviews_per_day=0))
    for n in range(3):
        store.append("review", f"old{n}#recall", NOW - timedelta(days=1), rating=4)
    planned = ["old2#recall", "old0#recall", "new1#recall"]
    order = [f"old{n}#recall" for n in range(3)] + [f"new{n}#recall" for n in range(3)]
    today = store.card("old0#recall").last_day + 1
    session = PlannedSession(store, planned, order, NOW, today)
    assert session.left(NOW) == planned
    asked = []
    while (card := session.next(NOW)) is not None:
        asked.append(card.card)
        session.answer(card, 3, NOW)
    assert asked[:3] == planned and set(asked[3:]) == {"new1#recall"}
    assert session.next(NOW + timedelta(days=1)) is None


def test_undo_in_a_planned_sitting_asks_the_card_again(store: Store) -> None:
    """What is taken back is left again."""
    session = PlannedSession(store, ["a#recall", "b#recall"], ["a#recall", "b#recall"], NOW, 20_416)
    today = PlannedSession(store, ["a#recall"], [], NOW, session._day)
    card = today.next(NOW)
    assert card is not None and session.next(NOW) is None  # of another day
    today.answer(card, 4, NOW)
    assert today.next(NOW) is None
    today.undo(NOW)
    assert today.left(NOW) == ["a#recall"]


def test_a_lapse_takes_a_second_answer() -> None:
    """Of cards that are nearly forgotten fewer fit into the minutes than of cards that are known: their answers take longer."""
    fits = []
    for stability in (200.0, 0.5):
        state = Cards(np.ones(40), np.full(40, stability), np.full(40, 5.0), np.full(40, -60.0))
        course = simulate(state, MEMORY, MEMORY, ByDueDate(0.99, new=0, due=999), days=1, minutes=10.0, costs=Costs(60, 30))
        fits.append(course.reviews[0])
    assert fits[0] > 1.3 * fits[1] > 0


def test_each_topic_is_told_its_own_cards() -> None:
    """Where cards of other topics come first, each figure is still that of the cards it names."""
    cards = [replace(each, topic="late" if each.core else "early") for each in unseen(40, 10)]
    plan = made(cards, days=4, minutes=7.0)
    assert plan.topics["late"].planned > 0.3 and plan.topics["late"].met == 1.0
    assert plan.topics["early"].met < 0.5 and plan.topics["early"].planned < plan.topics["late"].planned
    assert plan.core.planned == plan.topics["late"].planned
