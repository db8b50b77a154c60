"""A plan for a day on which things must be known: what to study on each day before it, and what will be recalled with and without.

How cards are chosen is a `Policy` of two numbers. The plan tries a few of them in simulations of the coming days, from the cards as
they stand and with the learner's own pace, and takes the one after which most of what counts is recalled. It is made anew whenever
it is asked for, so what was really done is always in it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean

import numpy as np

from studyapp.reviews.cards import CardState
from studyapp.reviews.course import FIRST_RATINGS, UNLIMITED, ByDueDate, Cards, Costs, Course, Policy, never, simulate
from studyapp.reviews.memory import Memory

RETENTIONS = (0.7, 0.8, 0.9)
LAST_DAYS = (3, 7, 14)
TRIED, TOLD = 8, 40
"""Learners that a policy is tried on, and that the figures of the plan are a mean of."""
LONG = 30
"""Days beyond which fewer learners are simulated, in proportion: two years would else take half a minute."""
MOST_DAYS = 730
MOST_MINUTES = 480


@dataclass(frozen=True)
class Wanted:
    """A card that is to be known on the day. `weight` says how much that counts."""

    state: CardState
    topic: str
    core: bool
    weight: float


@dataclass(frozen=True)
class Goal:
    """The study day on which it must be known, and the minutes of each day before it."""

    day: int
    minutes: float


@dataclass(frozen=True)
class PlannedDay:
    """What a day holds, as a mean over the simulated learners; `asked_at` is the chance of recall at which cards come back."""

    day: int
    new: float
    reviews: float
    minutes: float
    asked_at: float | None


@dataclass(frozen=True)
class Outlook:
    """Mean chances of recall of some cards: today, and on the day with the plan and without; 0 for a card never seen.

    `met` is the share that will have been learnt by then.
    """

    cards: int
    now: float
    planned: float
    unplanned: float
    met: float


@dataclass(frozen=True)
class Plan:
    """The days to come.

    Attributes:
        due, new: the cards of today in the order in which they are asked.
        core, all: over all topics.
        topics: for each topic its core, or all its cards where it has none of level core.
        needed: the minutes a day that every card of level core needs to be learnt by the day; None where those of the goal suffice,
            or where no day is long enough.
    """

    goal: Goal
    today: int
    policy: Policy
    due: tuple[str, ...]
    new: tuple[str, ...]
    days: tuple[PlannedDay, ...]
    core: Outlook
    all: Outlook
    topics: dict[str, Outlook]
    needed: float | None

    @property
    def aim(self) -> Outlook:
        """What is to be recalled above all: the core, or all where nothing is core."""
        return self.core if self.core.cards else self.all

    @property
    def covered(self) -> list[str]:
        """The topics of which every card of level core will have been learnt."""
        return [topic for topic, outlook in self.topics.items() if outlook.met > 0.995]

    @property
    def days_left(self) -> int:
        """Days of study before the day, today counted."""
        return self.goal.day - self.today


@dataclass(frozen=True)
class Learner:
    """What is known of who learns: the weights of FSRS, the pace, how first ratings fall, and the settings of the schedule."""

    parameters: Sequence[float]
    costs: Costs = field(default_factory=Costs)
    first_ratings: Sequence[float] = FIRST_RATINGS
    unplanned: ByDueDate = field(default_factory=ByDueDate)


def make_plan(
    wanted: Sequence[Wanted],
    goal: Goal,
    learner: Learner,
    today: int,
    *,
    spent: float = 0.0,
    seed: int = 0,
    stopped: Callable[[], bool] = never,
) -> Plan:
    """The plan for a goal, from cards in the order in which new ones come without it; `spent` are today's minutes so far.

    The day must lie between tomorrow and `MOST_DAYS` ahead; suspended cards are left out by the caller.

    Raises:
        StoppedError: once `stopped` says so.
    """
    days = goal.day - today
    memory = Memory(learner.parameters)
    order = sorted(range(len(wanted)), key=lambda place: -wanted[place].weight)
    planned = [wanted[place] for place in order]
    tried, told = (max(least, round(most * min(1.0, LONG / days))) for least, most in ((2, TRIED), (8, TOLD)))
    minutes = [max(0.0, goal.minutes - spent), *[goal.minutes] * (days - 1)]

    def course(policy: Policy | ByDueDate, cards: Sequence[Wanted], learners: int, each: Sequence[float] = minutes) -> Course:
        return simulate(
            Cards.of([each.state for each in cards], [each.weight for each in cards]), memory, memory, policy,
            days=days, minutes=each, costs=learner.costs, first_ratings=learner.first_ratings,
            learners=learners, seed=seed, today=today, stopped=stopped,
        )  # fmt: skip

    weight = np.array([each.weight for each in planned])
    choices = [Policy(kept, last) for kept in RETENTIONS for last in LAST_DAYS if last < days] + [Policy(0.9, days)]
    value = {policy: float((course(policy, planned, tried).recall @ weight).mean()) for policy in choices}
    policy = max(choices, key=value.__getitem__)
    best, without = course(policy, planned, told), course(learner.unplanned, wanted, told)
    recall = dict(zip(order, best.recall.mean(0), strict=True))
    met = dict(zip(order, best.met.mean(0), strict=True))
    unplanned = without.recall.mean(0)
    now = [_now(memory, each.state, today) for each in wanted]

    def outlook(places: Sequence[int]) -> Outlook:
        if not places:
            return Outlook(0, 0.0, 0.0, 0.0, 1.0)
        means = [fmean(float(each[place]) for place in places) for each in (now, recall, unplanned, met)]
        return Outlook(len(places), *means)

    core = [place for place, each in enumerate(wanted) if each.core]
    topics = {}
    for topic in dict.fromkeys(each.topic for each in wanted):
        whole = [place for place, each in enumerate(wanted) if each.topic == topic]
        topics[topic] = outlook([place for place in whole if wanted[place].core] or whole)
    today_cards = [planned[place].state for place in best.first]
    return Plan(
        goal,
        today,
        policy,
        tuple(state.card for state in today_cards if state.stability is not None),
        tuple(state.card for state in today_cards if state.stability is None),
        tuple(_planned_days(best, today)),
        outlook(core),
        outlook(range(len(wanted))),
        topics,
        _needed([place for place, each in enumerate(planned) if each.core], lambda m: course(policy, planned, 2, [m] * days), goal),
    )


def pace(first_days: Sequence[float], reviews: Sequence[float], least: int = 10) -> Costs:
    """What an answer costs: medians of the learner's own, where there are `least` of them."""
    usual = Costs()
    kept = {
        name: float(np.clip(np.median(seconds), 5, 900))
        for name, seconds in (("new", first_days), ("review", reviews))
        if len(seconds) >= least
    }
    return replace(usual, **kept)


def first_ratings(counts: Sequence[int], worth: float = 20.0) -> tuple[float, ...]:
    """How first ratings fall: the learner's own counts, beside FSRS's usual shares as if they were `worth` reviews."""
    total = sum(counts) + worth
    return tuple((count + worth * usual) / total for count, usual in zip(counts, FIRST_RATINGS, strict=True))


def _now(memory: Memory, state: CardState, today: int) -> float:
    if state.stability is None or state.last_day is None:
        return 0.0
    return float(memory.recall(np.array(state.stability), today - state.last_day))


def _planned_days(course: Course, today: int) -> list[PlannedDay]:
    rows = zip(course.new, course.reviews, course.minutes, course.asked_at, strict=True)
    return [
        PlannedDay(today + after, float(new), float(reviews), float(minutes), None if np.isnan(asked) else float(asked))
        for after, (new, reviews, minutes, asked) in enumerate(rows)
    ]


def _needed(core: Sequence[int], course: Callable[[float], Course], goal: Goal) -> float | None:
    """The least minutes a day, by steps of five, at which all of the core is learnt."""

    def suffices(minutes: float) -> bool:
        return bool(course(minutes).met[:, core].all())

    low, high = int(goal.minutes // 5), MOST_MINUTES // 5
    if not core or suffices(goal.minutes) or not suffices(5.0 * high):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if suffices(5.0 * middle) else (middle, high)
    return 5.0 * high


@dataclass(frozen=True)
class RetentionCost:
    """What a desired retention costs over `COST_DAYS`: minutes a day, and how many cards are known at their end.

    `known` is the sum of the chances of recall, `recall` their mean over the cards learnt.
    """

    retention: float
    minutes: float
    known: float
    recall: float


COSTED = (0.7, 0.75, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97)
COST_DAYS, COST_LEARNERS = 180, 8


def retention_costs(states: Sequence[CardState], learner: Learner, today: int) -> list[RetentionCost]:
    """What each of some retentions would cost who studies whatever is due, from cards in the order in which new ones come."""
    cards, memory = Cards.of(states, [1.0] * len(states)), Memory(learner.parameters)
    found = []
    for retention in COSTED:
        course = simulate(
            cards, memory, memory, replace(learner.unplanned, retention=retention),
            days=COST_DAYS, minutes=UNLIMITED, costs=learner.costs, first_ratings=learner.first_ratings,
            learners=COST_LEARNERS, today=today,
        )  # fmt: skip
        known = float(course.recall.sum(1).mean())
        recall = known / max(1.0, float(course.met.sum(1).mean()))
        found.append(RetentionCost(retention, float(course.minutes.mean()), known, recall))
    return found
