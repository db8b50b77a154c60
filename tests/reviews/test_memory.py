"""FSRS over arrays says what the scheduler makes of single cards."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from studyapp.reviews.cards import CardState
from studyapp.reviews.log import LogEvent, Rating
from studyapp.reviews.memory import STEPS_AFTER, Memory
from studyapp.reviews.scheduler import Scheduler, replay
from studyapp.settings import HIGHEST, LOWEST, Settings
from tests.reviews.conftest import NOW


def weights(seed: int) -> tuple[float, ...]:
    """Weights of FSRS-6 somewhere between the bounds and its defaults."""
    rng = np.random.default_rng(seed)
    usual = np.array(Scheduler(Settings()).parameters)
    drawn = np.clip(usual * rng.uniform(0.8, 1.2, len(usual)), LOWEST, HIGHEST)
    drawn[:4].sort()
    return tuple(map(float, drawn))


def after(scheduler: Scheduler, *reviews: tuple[int, int]) -> CardState:
    """A card after reviews, each a day and a rating."""
    events = [
        LogEvent(f"{n:04d}", "review", "a#recall", NOW + timedelta(days=day, minutes=n), day, rating, config=scheduler.config(NOW))
        for n, (day, rating) in enumerate(reviews)
    ]
    return replay(scheduler, events)["a#recall"]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("rating", Rating)
def test_a_first_day_is_that_of_the_scheduler(rating: Rating, seed: int) -> None:
    """A new card, answered until it has left learning, has the stability and difficulty that the scheduler gives it."""
    scheduler = Scheduler(replace(Settings(), parameters=weights(seed)))
    card = after(scheduler, (0, rating), *[(0, Rating.GOOD)] * STEPS_AFTER[rating])
    assert card.state == "review"
    stability, difficulty = Memory(scheduler.parameters).first(rating)
    assert (float(stability), float(difficulty)) == pytest.approx((card.stability, card.difficulty), rel=1e-9)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("wait", [1, 7, 40])
@pytest.mark.parametrize("recalled", [True, False])
def test_a_review_is_that_of_the_scheduler(recalled: bool, wait: int, seed: int) -> None:
    """So has a card in review after Good, and after Again and Good on the same day; and its chance of recall is the same."""
    scheduler = Scheduler(replace(Settings(), parameters=weights(seed)))
    memory = Memory(scheduler.parameters)
    before = after(scheduler, (0, Rating.GOOD), (0, Rating.GOOD))
    assert before.stability is not None and before.difficulty is not None
    chance = memory.recall(np.array(before.stability), wait)
    assert float(chance) == pytest.approx(scheduler.retrievability(before, wait))
    answers = [(wait, Rating.GOOD)] if recalled else [(wait, Rating.AGAIN), (wait, Rating.GOOD)]
    card = after(scheduler, (0, Rating.GOOD), (0, Rating.GOOD), *answers)
    become = memory.recalled if recalled else memory.forgotten
    stability, difficulty = become(np.array(before.stability), np.array(before.difficulty), chance)
    assert (float(stability), float(difficulty)) == pytest.approx((card.stability, card.difficulty), rel=1e-9)


def test_rows_of_weights_are_learners() -> None:
    """With a row of weights each, every learner's cards become what they would alone."""
    both = Memory([weights(1), weights(2)])
    stability, difficulty = np.full((2, 3), 4.0), np.full((2, 3), 5.0)
    together = both.forgotten(stability, difficulty, np.full((2, 3), 0.8))
    for row, seed in enumerate((1, 2)):
        alone = Memory(weights(seed)).forgotten(stability[row], difficulty[row], np.full(3, 0.8))
        assert np.allclose([each[row] for each in together], alone)


def test_an_interval_ends_where_recall_has_fallen_to_the_retention() -> None:
    """At its end, give or take the half day of rounding, the chance of recall is what was asked for."""
    memory = Memory(weights(3))
    stability = np.array([3.0, 30.0, 300.0])
    days = memory.interval(stability, 0.8)
    assert (memory.recall(stability, days - 0.5) >= 0.8).all() and (memory.recall(stability, days + 0.5) <= 0.8).all()
