"""Days of study simulated: which cards a policy asks within the minutes of each day, and what is recalled at their end.

A learner's memory and what is believed of it are two things: a plan knows the ratings, never the memory. Where both are the same,
the simulation says what the plan expects; where they differ, how well it does for somebody else.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from studyapp.reviews.cards import CardState
from studyapp.reviews.memory import Array, Memory

UNLIMITED = 1e9
"""Minutes of a day that ends when nothing is left."""
FIRST_RATINGS = (0.24, 0.094, 0.495, 0.171)
"""How often a first rating is Again, Hard, Good, Easy: the default of FSRS's own simulator (fsrs-rs, `first_rating_prob`)."""


@dataclass(frozen=True)
class Costs:
    """Seconds that an answer takes: to a card never seen, learning it included, and to one in review; a lapse takes a second answer."""

    new: float = 120.0
    review: float = 60.0


@dataclass(frozen=True)
class Cards:
    """Cards as a simulation sees them, an array an attribute, in the order in which new ones are learnt.

    Attributes:
        weight: how much it counts that the card is recalled on the day.
        stability, difficulty, last: nan where the card is new; `last` is the study day of its last review.
    """

    weight: Array
    stability: Array
    difficulty: Array
    last: Array

    @classmethod
    def of(cls, states: Sequence[CardState], weight: Sequence[float]) -> "Cards":
        """Cards as they stand, each with its weight; one without a stability is new."""

        def column(values: Iterable[float | None]) -> Array:
            return np.array([np.nan if value is None else value for value in values], np.float64)

        return cls(
            np.asarray(weight, np.float64),
            column(state.stability for state in states),
            column(state.difficulty for state in states),
            column(state.last_day if state.stability is not None else None for state in states),
        )

    @classmethod
    def new(cls, weight: Sequence[float]) -> "Cards":
        """Cards of which none was ever seen."""
        nothing = np.full(len(weight), np.nan)
        return cls(np.asarray(weight, np.float64), nothing, nothing, nothing)


@dataclass(frozen=True)
class Policy:
    """How cards are chosen.

    Until `last_days` before the day: those first whose chance of recall has fallen to `retention`, the most lost of what counts
    first; then new ones; then whatever gains most. In the last days all by what a minute on them gains for the day.
    """

    retention: float
    last_days: int


@dataclass(frozen=True)
class ByDueDate:
    """The schedule without a plan: what is due first, by its date, then at most `new` new cards, `due` at most of the others."""

    retention: float = 0.9
    new: int = 10
    due: int = 200


@dataclass(frozen=True)
class Course:
    """What came of the days.

    Attributes:
        recall: the chance of recall of each card on the day, shape (learners, cards); 0 where it was never seen.
        met: whether it was ever seen, of the same shape.
        new, reviews, minutes: of each day, the mean over the learners.
        asked_at: of each day, the mean chance of recall at which cards in review were asked; nan where none was.
        first: of the first day, whether the first learner was asked the card; and in which order.
    """

    recall: Array
    met: np.ndarray
    new: Array
    reviews: Array
    minutes: Array
    asked_at: Array
    first: list[int]


class StoppedError(Exception):
    """Raised within a simulation whose result nobody waits for any more."""


def never() -> bool:
    """What asks a simulation to stop, where nothing does."""
    return False


def simulate(
    cards: Cards,
    true: Memory,
    believed: Memory,
    policy: Policy | ByDueDate,
    *,
    days: int,
    minutes: Sequence[float] | float,
    costs: Costs,
    first_ratings: Sequence[float] = FIRST_RATINGS,
    learners: int = 1,
    seed: int = 0,
    today: int = 0,
    stopped: Callable[[], bool] = never,
) -> Course:
    """Study on `days` days, the first of them `today`, for what is recalled on the day after the last.

    The same seed draws the same first ratings and the same luck for every policy.

    Raises:
        StoppedError: once `stopped` says so; it is asked each day.
    """
    rng = np.random.default_rng(seed)
    shape = learners, len(cards.weight)
    budget = np.broadcast_to(np.asarray(minutes, np.float64), days) * 60
    seen = np.broadcast_to(~np.isnan(cards.last), shape).copy()
    last = np.broadcast_to(cards.last, shape).copy()
    held = [np.broadcast_to(each, shape).copy() for each in (cards.stability, cards.difficulty)]
    known = [each.copy() for each in held]
    first_rating = 1 + np.searchsorted(np.cumsum(first_ratings)[:-1], rng.random(shape))
    rates = np.asarray(first_ratings) / np.sum(first_ratings)
    new, reviews, spent, asked_at = (np.zeros(days) for _ in range(4))
    first: list[int] = []
    place = np.arange(shape[1])
    with np.errstate(invalid="ignore", divide="ignore"):
        for day in range(days):
            if stopped():
                raise StoppedError
            left = days - day
            recall = believed.recall(known[0], today + day - last)
            cost = np.where(seen, costs.review * (2 - recall), costs.new)
            if isinstance(policy, ByDueDate):
                due = last + believed.interval(known[0], policy.retention)
                key = np.where(seen, due - 1e6, place.astype(np.float64))
                wanted = np.where(seen, due <= today + day, True)
            else:
                gain = _gain(believed, known, recall, seen, left, rates, today + days - last) * cards.weight / cost
                key, wanted = -gain + place * 1e-15, gain > 0
                if left > policy.last_days:
                    fallen = seen & (recall <= policy.retention)
                    key = np.where(fallen, -2e9 - cards.weight * (1 - recall), np.where(seen, key, place - 1e9))
                    wanted |= fallen
            order = np.argsort(np.where(wanted, key, np.inf), axis=1, kind="stable")
            chosen = np.take_along_axis(wanted, order, 1)
            if isinstance(policy, ByDueDate):
                fresh = np.take_along_axis(~seen, order, 1) & chosen
                chosen &= np.where(fresh, np.cumsum(fresh, 1) <= policy.new, np.cumsum(chosen & ~fresh, 1) <= policy.due)
            used = np.cumsum(np.where(chosen, np.take_along_axis(cost, order, 1), 0), axis=1)
            chosen &= used <= budget[day]
            if day == 0:
                first = [int(card) for card in order[0][chosen[0]]]
            taken = np.zeros(shape, bool)
            np.put_along_axis(taken, order, chosen, 1)
            fresh, again = taken & ~seen, taken & seen
            new[day], reviews[day] = fresh.sum() / learners, again.sum() / learners
            spent[day] = np.where(taken, cost, 0).sum() / learners / 60
            asked_at[day] = recall[again].mean() if again.any() else np.nan
            truth = true.recall(held[0], today + day - last)
            luck = rng.random(shape) < truth
            for memory, state, chance in ((true, held, truth), (believed, known, recall)):
                _review(memory, state, chance, again & luck, again & ~luck)
                _meet(memory, state, fresh, first_rating)
            last[taken] = today + day
            seen |= taken
        result = np.where(seen, true.recall(held[0], today + days - last), 0.0)
    return Course(result, seen, new, reviews, spent, asked_at, first)


def _gain(
    memory: Memory, state: list[Array], recall: Array, seen: np.ndarray, left: int, rates: Array, away: Array
) -> Array:
    """How much likelier a card is recalled on the day, if it is asked today and never again."""
    better, worse = memory.recalled(state[0], state[1], recall)[0], memory.forgotten(state[0], state[1], recall)[0]
    then = recall * memory.recall(better, left) + (1 - recall) * memory.recall(worse, left)
    met = sum(rate * memory.recall(memory.first(rating)[0], left) for rating, rate in enumerate(rates, 1))
    return np.where(seen, then - memory.recall(state[0], away), met)


def _review(memory: Memory, state: list[Array], recall: Array, recalled: np.ndarray, forgotten: np.ndarray) -> None:
    """Let these cards be recalled and those be forgotten."""
    outcomes = (recalled, memory.recalled(state[0], state[1], recall)), (forgotten, memory.forgotten(state[0], state[1], recall))
    for cards, after in outcomes:
        for kept, became in zip(state, after, strict=True):
            np.copyto(kept, became, where=cards)


def _meet(memory: Memory, state: list[Array], fresh: np.ndarray, first_rating: np.ndarray) -> None:
    """Let these cards be learnt, each with its first rating."""
    for rating in range(1, 5) if fresh.any() else ():
        for kept, became in zip(state, memory.first(rating), strict=True):
            np.copyto(kept, became, where=fresh & (first_rating == rating))
