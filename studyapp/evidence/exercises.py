"""Numeric questions that a demo makes, and functions of it that a learner may write."""

import inspect
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, TypeVar

from studyapp.evidence.claims import seed_torch
from studyapp.evidence.types import to_plain

F = TypeVar("F", bound=Callable[..., Any])
PREFIX = "drill_"
USUAL_TOLERANCE = 0.01  # of the answer, where a drill names none


@dataclass(frozen=True)
class Drill:
    """One numeric question, its numbers drawn.

    Attributes:
        en, zh: the question, with the convention that the number depends on.
        answer: computed by the demo's own functions.
        proved_by: the claim of the same demo that shows what the answer rests on.
        unit: of the answer, "GiB"; empty for a bare number.
        within: how far an answer may be off, absolute; one per cent of the answer where it is not given.
        steps: the working, each step in English and in Chinese.

    Raises:
        ValueError: where a text is missing, or the answer or the tolerance is no finite number.
    """

    en: str
    zh: str
    answer: float
    proved_by: str
    unit: str = ""
    within: float | None = None
    steps: Sequence[tuple[str, str]] = ()

    def __post_init__(self) -> None:
        answer = to_plain(self.answer)
        if isinstance(answer, bool) or not isinstance(answer, int | float):
            raise ValueError(f"the answer is {answer!r}, and must be a finite number")
        within = to_plain(USUAL_TOLERANCE * abs(answer) if self.within is None else self.within)
        if not isinstance(within, int | float) or not within >= 0:
            raise ValueError(f"the tolerance is {within!r}, and must be a number from 0 on")
        steps = tuple((str(en), str(zh)) for en, zh in self.steps)
        if not all(text.strip() for text in (self.en, self.zh, self.proved_by, *(s for step in steps for s in step))):
            raise ValueError("a drill says everything in both languages, and names the claim that proves it")
        for name, value in (("answer", answer), ("within", within), ("steps", steps)):
            object.__setattr__(self, name, value)

    def accepts(self, answer: float) -> bool:
        """Whether an answer is near enough."""
        return math.isfinite(answer) and abs(answer - self.answer) <= (self.within or 0)


def find_drills(module: ModuleType) -> dict[str, Callable[[random.Random], Drill]]:
    """The drills of a demo by name without prefix, in the order of the file."""
    found = {n: f for n, f in vars(module).items() if n.startswith(PREFIX) and inspect.isfunction(f)}
    return {n.removeprefix(PREFIX): f for n, f in sorted(found.items(), key=lambda p: p[1].__code__.co_firstlineno)}


def draw_drill(make: Callable[[random.Random], Drill], seed: int) -> Drill:
    """The question that a drill makes from a seed: the same one every time.

    Raises:
        TypeError: where the function gives something else.
    """
    seed_torch(seed)
    drill = make(random.Random(seed))
    if not isinstance(drill, Drill):
        raise TypeError(f"{make.__name__} returned {type(drill).__name__}, not a Drill")
    return drill


def exercise(*, claims: Sequence[str], wrong: Sequence[str] = ()) -> Callable[[F], F]:
    """Mark a function that a learner may write: its head and docstring are shown, its body is hidden.

    Args:
        claims: the claims of this file that judge what was written.
        wrong: names of plausible wrong bodies, `<function>__<wrong>` in tests/demos/wrong/<topic>/<demo>.py, each of
            which one of these claims must refute.
    """

    def mark(function: F) -> F:
        function.__dict__["exercise"] = {"claims": tuple(claims), "wrong": tuple(wrong)}
        return function

    return mark
