"""Claims run once more: with drawn parameters, for a drill, or with a function that a learner wrote."""

import ast
import inspect
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio

from studyapp.errors import DemoError
from studyapp.lab.claim_process import load
from studyapp.lab.client import LabClient
from studyapp.lab.collect import RunFold, collect
from studyapp.lab.demo import Demo
from studyapp.lab.trials import Trial, draws, replaced, written, wrong_ways

SOURCE = '''
@exercise(claims=("one",), wrong=("adds",))
def double(x: int) -> int:
    """Twice x.

    x 的两倍。"""
    return 2 * x


TABLE = {"double": double}
RANGES = {"n": between(1, 99), "m": between(1, "n")}


@timed
@breaks(n=1, en="One.", zh="一。")
def claim_one(n=3, on=True):
    """It is so.

    如此。"""
    expect("twice n", TABLE["double"](n), equals=6)


@breaks(m=2, en="Two.", zh="二。")
@breaks(m=3, en="Three.", zh="三。")
def claim_two(n=9, m=1):
    """It is so.

    如此。"""
    expect("m", m, equals=1)


def drill_twice(rng) -> Drill:
    n = rng.randint(2, 9)
    return Drill(en=f"2 · {n}?", zh=f"2 · {n}？", answer=double(n), proved_by="one", within=0, steps=[("a", "甲")])
'''


@pytest_asyncio.fixture
async def lab() -> AsyncIterator[LabClient]:
    async with LabClient() as made:
        yield made


async def run_once(lab: LabClient, demo: Demo, *args: Any, **options: Any) -> RunFold:
    """A run to its end."""
    return await collect(lab.run(demo, *args, **options))


def test_wrong_ways_are_numbered_within_their_claim(write: Callable[..., Demo]) -> None:
    """Each wrong way is a trial that must break, numbered as the command line counts; timed claims can be asked for alone."""
    demo = write(SOURCE)
    assert [(t.claim, t.number, t.parameters) for t in wrong_ways(demo)] == [
        ("one", 1, {"n": 1}),
        ("two", 1, {"m": 2}),
        ("two", 2, {"m": 3}),
    ]
    assert [t.claim for t in wrong_ways(demo, timed=False)] == ["two", "two"]


def test_draws_are_in_range_and_the_same_each_time(write: Callable[..., Demo]) -> None:
    """Draws begin with the low ends, keep relations, leave the idea alone where the claim must hold, and come from a seed."""
    demo = write(SOURCE)
    found = list(draws(demo, 20))
    assert found == list(draws(demo, 20)) != list(draws(demo, 20, seed=1))
    two = [t for t in found if t.claim == "two"]
    assert two[0] == Trial("two", {"n": 1}, "held", 0)
    assert all("m" not in t.parameters for t in two if t.expect == "held")
    assert any("m" in t.parameters for t in two if t.expect == "any")
    for trial in found:
        demo.settle(trial.parameters, claims=[trial.claim])


async def test_a_drill_comes_back_as_data(lab: LabClient, write: Callable[..., Demo]) -> None:
    """The lab makes the question of a seed with the demo's own functions, and an unknown drill is refused at once."""
    demo = write(SOURCE)
    run = await run_once(lab, demo, (), drills=[("twice", 3), ("twice", 4)])
    first, second = run.drilled
    assert (first.name, first.seed, second.seed, run.outcomes) == ("twice", 3, 4, {})
    assert first.drill.answer == 2 * int(first.drill.en.split()[2].rstrip("?"))
    assert (first.drill.steps, first.drill.within, first.drill.proved_by) == ((("a", "甲"),), 0, "one")
    with pytest.raises(DemoError, match="has no drill 'twise'"):
        lab.run(demo, drills=[("twise", 0)])


async def test_a_written_function_stands_in_the_file_s_place(lab: LabClient, write: Callable[..., Demo]) -> None:
    """What a learner wrote is judged by the claims, also where the demo put the function in a table while it was read."""
    demo = write(SOURCE)
    (own,) = (await run_once(lab, demo, ["one"])).outcomes.values()
    right = written(demo.exercise("double"), "three = 3\nreturn x + three")
    (theirs,) = (await run_once(lab, demo, ["one"], replace={"double": right})).outcomes.values()
    assert (own.state, theirs.state) == ("held", "held")
    (theirs,) = (await run_once(lab, demo, ["one"], replace={"double": written(demo.exercise("double"), "return x")})).outcomes.values()
    assert theirs.state == "broken"
    (theirs,) = (await run_once(lab, demo, ["one"], replace={"double": written(demo.exercise("double"), "")})).outcomes.values()
    assert theirs.state in {"broken", "crashed"}
    with pytest.raises(DemoError, match="has no exercise"):
        lab.run(demo, replace={"claim_one": right})


def test_the_source_of_a_written_function_can_be_read(write: Callable[..., Demo]) -> None:
    """A written function and those left alone give their own source and lines, as Triton and tracebacks ask for them."""
    demo = write(SOURCE)
    module = load(demo.path, {"double": written(demo.exercise("double"), "return x + x  # written")})
    assert inspect.getsource(module.double).splitlines()[-1].strip() == "return x + x  # written"
    assert inspect.getsource(module.claim_one) == inspect.getsource(load(demo.path).claim_one)
    assert module.double.__code__.co_firstlineno == 1


def test_a_function_may_come_with_a_head_of_its_own(write: Callable[..., Demo]) -> None:
    """A whole function, its head without types or docstring, is taken as it stands; one with something beside it is refused."""
    exercise = write(SOURCE).exercise("double")
    (node,) = ast.parse(written(exercise, "def double(x):\n    return x + x\n")).body
    assert isinstance(node, ast.FunctionDef) and ast.unparse(node.body[0]) == "return x + x"
    assert written(exercise, "\nimport math\n\n\ndef double(x):\n    return math.prod((2, x))\n").startswith("import math")
    for beside in ("print(1)", "from math import *", "for i in range(3):\n    pass", "def double(x):\n    return 1"):
        with pytest.raises(DemoError, match="more than double"):
            written(exercise, f"{beside}\n\ndef double(x):\n    return 2 * x\n")


def test_a_file_without_the_function_is_no_body_of_it(write: Callable[..., Demo]) -> None:
    """A function under another name is refused by the name that it must have; a body that begins with a helper is still a body."""
    exercise = write(SOURCE).exercise("double")
    with pytest.raises(DemoError, match="there is no double here"):
        written(exercise, "import math\n\n\ndef doubled(x):\n    return 2 * x\n")
    assert "helper(x)" in written(exercise, "def helper(y):\n    return 2 * y\nreturn helper(x)")


def test_a_file_that_is_not_python_says_its_own_line(write: Callable[..., Demo]) -> None:
    """An error in a file with imports and head is told with the line that the editor shows."""
    exercise = write(SOURCE).exercise("double")
    for text, line in (("import math\n\ndef double(x):\n    return (\n", 4), ("\n\ndef double(x):\n    return x x\n", 4)):
        with pytest.raises(DemoError, match=f"line {line} is not Python"):
            written(exercise, text)
    with pytest.raises(DemoError, match="is not Python"):
        written(exercise, "def double(x):\n    return 1\0\n")


@pytest.mark.parametrize(
    ("body", "problem"),
    [("y = (\nreturn y", "line 1 is not Python"), ("a = 1\n return a", "line 2 is not Python"), ("return 1\ndef other():\n    pass", "")],
)
def test_a_body_that_is_not_python_says_its_line(write: Callable[..., Demo], body: str, problem: str) -> None:
    """An error is told with the line of what was typed, not of the file."""
    exercise = write(SOURCE).exercise("double")
    if problem:
        with pytest.raises(DemoError, match=problem):
            written(exercise, body)
    else:
        assert len(ast.parse(written(exercise, body)).body) == 1


def test_only_a_function_can_be_replaced() -> None:
    """A name that is not there, or a source that is no function, is refused."""
    for name, source in (("other", "def other(): pass"), ("double", "x = 1"), ("double", "def a(): pass\ndef b(): pass")):
        with pytest.raises(ValueError, match="cannot be replaced"):
            replaced(ast.parse("def double(x): pass"), {name: source})
