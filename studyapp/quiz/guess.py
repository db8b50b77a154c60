"""A number guessed before its evidence is seen: how far off it was, as a factor."""

import math
from dataclasses import dataclass

from studyapp.errors import AnswerError
from studyapp.quiz.quantity import EXAMPLE, read


@dataclass(frozen=True)
class Guessed:
    """What was guessed of a number and what it is, both above nought and in one unit."""

    value: float
    answer: float

    @property
    def factor(self) -> float:
        """How many times too large or too small, at least 1."""
        return max(self.value / self.answer, self.answer / self.value)

    @property
    def low(self) -> bool:
        """Whether it was too small."""
        return self.value < self.answer


def guessed(typed: str, answer: float, unit: str) -> Guessed:
    """A typed guess beside the number; of several readings the nearest.

    Raises:
        AnswerError: where it is no number above nought, or of another unit.
    """
    values = [value for value in read(typed, unit) if value > 0 and math.isfinite(value)]
    if not values:
        raise AnswerError("{typed!r} is no number above 0", "type {example}", typed=typed, example=EXAMPLE)
    return min((Guessed(value, answer) for value in values), key=lambda each: each.factor)
