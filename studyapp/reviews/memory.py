"""FSRS-6 over arrays: what many cards of many learners become, for simulating days to come.

What really happens to a card is decided by `scheduler` alone. This is the same model at a coarser grain: learning and relearning are
over on the day they began, and who recalls a card in review says Good. Formulas: the FSRS-6 section of the wiki of
open-spaced-repetition/fsrs4anki, as py-fsrs has them; a test holds the two together.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from studyapp.reviews.log import Rating

Array = NDArray[np.float64]
STEPS_AFTER = {Rating.AGAIN: 2, Rating.HARD: 2, Rating.GOOD: 1, Rating.EASY: 0}
"""How often a new card is answered Good on its first day after its first rating, with two steps of learning."""
LEAST_STABILITY = 0.001


class Memory:
    """How cards are remembered.

    Args:
        parameters: the 21 weights of FSRS-6, or a row of them for each of `learners`. With rows, results have the shape
            (learners, cards).
    """

    def __init__(self, parameters: ArrayLike) -> None:
        rows = np.asarray(parameters, np.float64)
        self.w: Any = rows.T[:, :, None] if rows.ndim == 2 else rows
        self.decay = self.w[20]
        self.factor = 0.9 ** (-1 / self.decay) - 1

    def recall(self, stability: Array, days: Array | float) -> Array:
        """The chance of recall so many days after the last review."""
        return np.asarray((1 + self.factor * np.maximum(days, 0) / stability) ** -self.decay)

    def interval(self, stability: Array, retention: float) -> Array:
        """The whole days after which the chance of recall has fallen to `retention`; at least one."""
        return np.asarray(np.maximum(np.round(stability / self.factor * (retention ** (-1 / self.decay) - 1)), 1))

    def first(self, rating: int) -> tuple[Array, Array]:
        """Stability and difficulty of a card after its first day, which began with this rating."""
        stability = np.maximum(self.w[rating - 1], LEAST_STABILITY)
        difficulty = np.clip(self._start(rating), 1, 10)
        for _ in range(STEPS_AFTER[Rating(rating)]):
            stability, difficulty = self._again_today(stability), self._harder(difficulty, Rating.GOOD)
        return stability, difficulty

    def recalled(self, stability: Array, difficulty: Array, recall: Array) -> tuple[Array, Array]:
        """Stability and difficulty after Good at a chance of recall of `recall`."""
        w = self.w
        growth = np.exp(w[8]) * (11 - difficulty) * stability ** -w[9] * (np.exp((1 - recall) * w[10]) - 1)
        return np.maximum(stability * (1 + growth), LEAST_STABILITY), self._harder(difficulty, Rating.GOOD)

    def forgotten(self, stability: Array, difficulty: Array, recall: Array) -> tuple[Array, Array]:
        """Stability and difficulty after Again, and Good on the same day."""
        w = self.w
        long = w[11] * difficulty ** -w[12] * ((stability + 1) ** w[13] - 1) * np.exp((1 - recall) * w[14])
        after = np.maximum(np.minimum(long, stability / np.exp(w[17] * w[18])), LEAST_STABILITY)
        harder = self._harder(difficulty, Rating.AGAIN)
        return self._again_today(after), self._harder(harder, Rating.GOOD)

    def _again_today(self, stability: Array) -> Array:
        """After Good on the day of another review."""
        w = self.w
        growth = np.exp(w[17] * w[18]) * stability ** -w[19]
        return np.asarray(np.maximum(stability * np.maximum(growth, 1), LEAST_STABILITY))

    def _start(self, rating: int) -> Any:
        return self.w[4] - np.exp(self.w[5] * (rating - 1)) + 1

    def _harder(self, difficulty: Array, rating: int) -> Array:
        w = self.w
        moved = difficulty - w[6] * (rating - Rating.GOOD) * (10 - difficulty) / 9
        return np.asarray(np.clip(w[7] * self._start(Rating.EASY) + (1 - w[7]) * moved, 1, 10))
