"""Further runs of claims: with the wrong ways they name, with drawn parameters, or with a function that a learner wrote."""

import ast
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from textwrap import dedent
from typing import Any

from studyapp.errors import DemoError
from studyapp.evidence.ranges import drawn
from studyapp.lab.demo import Demo, Exercise


@dataclass(frozen=True)
class Trial:
    """A claim run once more with other parameters, of which only the outcome counts.

    `expect` is "broken" for a wrong way, "held" for drawn parameters that leave the idea alone, and "any" for drawn ones that
    do not: of those only that they can be run.
    """

    claim: str
    parameters: Mapping[str, Any]
    expect: str = "broken"
    number: int = 0

    def typed(self) -> str:
        """The parameters as one would set them."""
        return " ".join(f"{name}={value!r}" for name, value in self.parameters.items())


def wrong_ways(demo: Demo, *, timed: bool | None = None) -> list[Trial]:
    """The wrong ways of a demo's claims, numbered within each from 1; only those of claims that are (not) timed."""
    return [
        Trial(claim.name, wrong.parameters, "broken", number)
        for claim in demo.claims
        if timed is None or claim.timed is timed
        for number, wrong in enumerate(claim.breaks, 1)
    ]


def draws(demo: Demo, count: int, seed: int = 0) -> Iterator[Trial]:
    """For each claim that has parameters with a range: every low end at once, then `count` draws.

    In every second one also the parameters that its wrong ways name are drawn; then nothing is expected of the verdict.
    """
    for claim in demo.claims:
        idea = {name for wrong in claim.breaks for name in wrong.parameters}
        rng = random.Random(f"{demo.name}.{claim.name}:{seed}")
        for number in range(count + 1):
            free = bool(idea) and number % 2 == 1
            ranges = {n: r for n, r in demo.ranges.items() if free or n not in idea}
            values = drawn(ranges, claim.parameters, rng, lowest=number == 0)
            values = values and {n: v for n, v in values.items() if n in demo.ranges and v != claim.parameters[n]}
            if values:
                yield Trial(claim.name, values, "any" if free else "held", number)


def written(exercise: Exercise, body: str) -> str:
    """A function's source from the head that was shown and a body that was typed below it, or from a whole function of that name.

    Raises:
        DemoError: where together they are not one function of Python; the message names the line of the body.
    """
    if whole := _whole(exercise, body):
        return whole
    lines = body.strip("\n").splitlines() or ["pass"]
    if not lines[0].startswith((" ", "\t")):
        lines = [f"    {line}" for line in lines]
    source = f"{exercise.head}\n" + "\n".join(lines) + "\n"
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        line = (error.lineno or 1) - len(exercise.head.splitlines())
        raise DemoError("line {line} is not Python: {reason}", line=max(line, 1), reason=error.msg) from error
    if len(tree.body) != 1:
        raise _more_than(exercise)
    return source


def _whole(exercise: Exercise, text: str) -> str:
    """The text, where it is the function with a head of its own; a body alone gives nothing."""
    try:
        top = ast.parse(dedent(text)).body
    except SyntaxError:
        return ""
    if not any(isinstance(node, ast.FunctionDef) and node.name == exercise.name for node in top):
        return ""
    if len(top) != 1:
        raise _more_than(exercise)
    return dedent(text).strip("\n") + "\n"


def _more_than(exercise: Exercise) -> DemoError:
    hint = "indent the whole body below its head"
    return DemoError("there is more than {function} here", hint, function=exercise.name)


def replaced(tree: ast.Module, functions: Mapping[str, str]) -> ast.Module:
    """A module whose functions of these names have another source; decorators stay where they were.

    Raises:
        ValueError: where a function is not there, or its source is something else.
    """
    for name, source in functions.items():
        places = [i for i, n in enumerate(tree.body) if isinstance(n, ast.FunctionDef) and n.name == name]
        new = ast.parse(source).body
        if not places or len(new) != 1 or not isinstance(new[0], ast.FunctionDef):
            raise ValueError(f"{name} cannot be replaced by this")
        old = tree.body[places[0]]
        new[0].name = name
        new[0].decorator_list = old.decorator_list if isinstance(old, ast.FunctionDef) else []
        for node in (part for decorator in new[0].decorator_list for part in ast.walk(decorator)):
            ast.copy_location(node, new[0])  # a function begins at the line of its first decorator
        tree.body[places[0]] = new[0]
    return tree
