"""Guesses of a number before its evidence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studyapp.errors import AnswerError
from studyapp.quiz.guess import guessed

NUMBERS = st.floats(1e-6, 1e12)


@given(NUMBERS, NUMBERS)
def test_too_large_and_too_small_by_the_same_factor_are_as_far_off(value: float, answer: float) -> None:
    """The factor is at least 1, the same either way, and says with `low` where the answer lies."""
    made, turned = guessed(repr(value), answer, ""), guessed(repr(answer), value, "")
    assert made.factor == turned.factor >= 1 and made.low == (value < answer)
    assert made.value * (made.factor if made.low else 1 / made.factor) == pytest.approx(answer)


def test_units_are_converted_and_of_two_readings_the_nearer_counts() -> None:
    """65,536 MiB is 64 GiB; 0.5 of 50 % is what was meant."""
    assert guessed("65536 MiB", 64, "GiB").factor == 1 and guessed("0.5", 50, "%").factor == 1


@pytest.mark.parametrize("typed", ["0", "-3", "much", "3 s"])
def test_what_is_no_number_above_nought_is_no_guess(typed: str) -> None:
    """It is told, and may be typed again."""
    with pytest.raises(AnswerError):
        guessed(typed, 64, "GiB")
