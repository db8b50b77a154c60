"""Numeric questions made by a demo."""

import math
import random
from types import ModuleType
from typing import Any

import pytest
import torch

from studyapp.evidence import Drill, breaks
from studyapp.evidence.exercises import draw_drill, find_drills

GOOD: dict[str, Any] = {"en": "How many?", "zh": "多少？", "answer": 12.0, "proved_by": "one", "steps": [("3 · 4", "3 乘 4")]}


def test_an_answer_is_taken_within_its_tolerance() -> None:
    """One per cent where nothing is said, else what is said; never nan."""
    usual, exact = Drill(**GOOD), Drill(**GOOD, within=0)
    assert usual.accepts(12.1) and not usual.accepts(12.2)
    assert exact.accepts(12) and not exact.accepts(12.0001)
    assert not usual.accepts(math.nan) and not Drill(**GOOD, within=1e9).accepts(math.inf)


@pytest.mark.parametrize(
    "wrong",
    [{"answer": math.nan}, {"answer": True}, {"within": -1}, {"within": math.nan}, {"zh": " "}, {"proved_by": ""}, {"steps": [("a", "")]}],
)
def test_a_drill_that_says_too_little_is_refused(wrong: dict[str, Any]) -> None:
    """No finite answer, no tolerance, a text in one language only, or no claim behind it is an error where it is made."""
    with pytest.raises(ValueError):
        Drill(**GOOD | wrong)


def test_a_seed_gives_one_question() -> None:
    """The same seed gives the same numbers, those of torch too; another seed gives others."""

    def drill_sum(rng: random.Random) -> Drill:
        return Drill(**GOOD | {"answer": rng.random() + torch.rand(())})

    module = ModuleType("m")
    module.drill_sum, module.other = drill_sum, math.sin  # type: ignore[attr-defined]
    (make,) = find_drills(module).values()
    assert draw_drill(make, 3) == draw_drill(make, 3) != draw_drill(make, 4)
    with pytest.raises(TypeError, match="not a Drill"):
        draw_drill(lambda rng: 3, 0)  # type: ignore[arg-type,return-value]


def test_breaks_stack_from_the_top_down() -> None:
    """The wrong ways of a claim stand in the order they are read."""

    @breaks(n=1, en="a", zh="甲")
    @breaks(n=2, en="b", zh="乙")
    def claim_one(n: int = 0) -> None: ...

    assert claim_one.breaks == ({"n": 1}, {"n": 2})  # type: ignore[attr-defined]
    with pytest.raises(ValueError):
        breaks(en="a", zh="甲")
    with pytest.raises(ValueError):
        breaks(n=1, en="a", zh="")
