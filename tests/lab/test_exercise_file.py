"""The file that a learner begins with, and what helps on the way."""

import ast
from collections.abc import Callable

import pytest

from studyapp.lab.catalog import Catalog
from studyapp.lab.demo import Demo
from studyapp.lab.exercise_file import EMPTY, first_text, hints, is_empty
from studyapp.lab.trials import replaced, written
from studyapp.paths import demos_dir

SOURCE = '''
import math
from torch.nn import functional as F, Module

SCALE = math.sqrt(2)
OTHER = 3
TABLE = {"x": SCALE}


def helper(x: int, n: int = 2) -> int:
    """Helps."""
    return x * n


@exercise(claims=("one",), wrong=("adds",))
def double(x: int) -> int:
    """Twice x.

    x 的两倍。"""
    y = SCALE * x  # first: (n,)
    z = F.relu(y)  # noqa: E741
    # then the helper
    return helper(z) if y == z else z  # last


def claim_one():
    """It is so.

    如此。"""
'''


def test_the_file_has_what_the_body_needs_and_nothing_of_it(write: Callable[..., Demo]) -> None:
    """Imports and constants that the hidden body uses stand above the head, what it may call is named, and the body is none yet."""
    demo = write(SOURCE)
    exercise = demo.exercise("double")
    text = first_text(demo, exercise, "a note", "to be called:")
    assert text == (
        "# attention/sample.double\n# a note\n\nimport math\nfrom torch.nn import functional as F\n\nSCALE = math.sqrt(2)\n\n"
        f"# to be called:\n#   def helper(x: int, n: int=2) -> int\n\n\n{exercise.head}\n{EMPTY}\n"
    )
    assert is_empty(exercise, text) and not is_empty(exercise, text.replace(EMPTY, "    return x"))
    assert is_empty(exercise, "") and is_empty(exercise, f"{exercise.head}\n    ...\n")


def test_a_long_constant_is_left_to_the_demo(write: Callable[..., Demo]) -> None:
    """A line wider than a screen would bury the head: the function finds it where it runs."""
    demo = write(SOURCE.replace("math.sqrt(2)", f"math.sqrt({'2' * 100})"))
    text = first_text(demo, demo.exercise("double"), "a note", "to be called:")
    assert "SCALE" not in text and "from torch.nn import functional as F" in text


def test_hints_go_from_the_idea_to_the_steps(write: Callable[..., Demo]) -> None:
    """The demo in words comes first, in the learner's language, then the comments of the body beside what their line makes."""
    demo = write(SOURCE)
    idea, steps = hints(demo, demo.exercise("double"), "zh")
    assert idea.startswith("测试用的演示")
    assert steps == "y: first: (n,)\nthen the helper\nlast"


CATALOG = Catalog.load(demos_dir())


@pytest.mark.parametrize("name", [n for n, d in CATALOG.demos.items() if d.exercises])
def test_every_function_can_be_begun(name: str) -> None:
    """The file of each shipped exercise is Python without a body, and with the demo's own body it is the demo's function and no more."""
    demo = CATALOG.demos[name]
    for exercise in demo.exercises:
        text = first_text(demo, exercise, "note", "there")
        assert is_empty(exercise, text)
        whole = text.replace(EMPTY, exercise.body)
        pieces = replaced(ast.parse(demo.source), {exercise.name: written(exercise, whole)})
        (function,) = next(statements for piece, statements in pieces if piece == exercise.name)
        own = next(n for n in ast.parse(demo.source).body if isinstance(n, ast.FunctionDef) and n.name == exercise.name)
        assert ast.dump(function) == ast.dump(own)
