"""What the claims say of a function that a learner wrote, whatever it does."""

from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from studyapp.errors import DemoError
from studyapp.lab.client import LabClient
from studyapp.lab.demo import Demo
from studyapp.lab.judging import judge, own_line, shown_by_default

SOURCE = '''
@exercise(claims=("one", "two"), wrong=("adds",))
def double(x: int) -> int:
    """Twice x.

    x 的两倍。"""
    return 2 * x


def half(x):
    return x / 2


@slow(1.0)
def claim_one(n=3):
    """It is so.

    如此。"""
    show(table(("n", "twice"), [(n, double(n))]))
    expect("twice n", double(n), equals=6)


@slow(1.0)
def claim_two(n=3):
    """It is so.

    如此。"""
    expect("half of twice n", half(double(n)), equals=3)
'''


@pytest_asyncio.fixture
async def lab() -> AsyncIterator[LabClient]:
    async with LabClient() as made:
        yield made


async def test_whatever_is_written_is_judged_and_harms_nothing(lab: LabClient, write: Callable[..., Demo]) -> None:
    """Right, wrong, raising, endless and leaving bodies each come out as they are, and the lab goes on to the next."""
    demo = write(SOURCE)
    exercise = demo.exercise("double")
    for body, states, reason in (
        ("return x + 3", ("held", "held"), "done"),
        ("return x + 4", ("broken", "broken"), "done"),
        ("return x + None", ("crashed", "crashed"), "done"),
        ("return x / 0 if x > 3 else 6", ("held", "held"), "done"),
        ("while True: pass", ("crashed", "unrun"), "timeout"),
        ("raise SystemExit(0)", ("crashed", "crashed"), "done"),
        ("import os; os._exit(0)", ("crashed", "unrun"), "crash"),
        ("return x * 2", ("held", "held"), "done"),
    ):
        judgement = await judge(lab, demo, exercise, body)
        assert (tuple(map(judgement.state, exercise.claims)), judgement.ended.reason) == (states, reason), body
        assert judgement.held is (set(states) == {"held"})
        assert judgement.attempt(None).claims == dict(zip(exercise.claims, states, strict=True))  # type: ignore[arg-type]
    with pytest.raises(DemoError, match="line 1 is not Python"):
        await judge(lab, demo, exercise, "return (")


async def test_helpers_and_imports_are_the_function_s_alone(lab: LabClient, write: Callable[..., Demo]) -> None:
    """A helper named like a function of the demo serves what was written and leaves the demo's own in its place."""
    demo = write(SOURCE)
    text = (
        '"""Mine."""\nimport math as m\n\nBASE = 2\n\n\ndef half(x):\n    return m.prod((x, BASE))\n\n\n'
        'def double(x: int, base=BASE) -> int:\n    return half(x)\n\n\nif __name__ == "__main__":\n    print(double(3))\n'
    )
    judgement = await judge(lab, demo, demo.exercise("double"), text)
    assert judgement.held, judgement.outcomes


async def test_an_error_is_told_with_the_line_that_was_written(lab: LabClient, write: Callable[..., Demo]) -> None:
    """A traceback names the line of the learner's file, with helpers above the function too."""
    demo = write(SOURCE)
    text = "def twice(x):\n    return x + None\n\n\ndef double(x):\n    return twice(x)\n"
    outcome = (await judge(lab, demo, demo.exercise("double"), text)).outcome("one")
    assert outcome is not None and 'as written>", line 2, in twice\n    return x + None' in outcome.error


async def test_what_is_expected_comes_from_the_demo_itself(lab: LabClient, write: Callable[..., Demo]) -> None:
    """The picture beside a wrong one is that of the demo's own function."""
    demo = write(SOURCE)
    judgement = await judge(lab, demo, demo.exercise("double"), "    return x * 3\n")
    (item,) = (await shown_by_default(lab, demo, judgement, lambda ref: ()))["one"]
    assert item.rows == ((3, 6),)
    assert await shown_by_default(lab, demo, judgement, lambda ref: (item,)) == {}


def test_of_a_traceback_the_learner_s_own_line_is_told(write: Callable[..., Demo]) -> None:
    """The last frame in what was written is named, not one of torch's below it."""
    demo = write(SOURCE)
    error = (
        'Traceback (most recent call last):\n  File "<sample.double as written>", line 4, in rotate\n    return helper(x)\n'
        '  File "<sample.double as written>", line 9, in helper\n    return x @ y\n'
        '  File "torch.py", line 3, in f\n    g()\nTypeError: no'
    )
    assert own_line(error, demo) == (9, "return x @ y") and own_line("TypeError: no", demo) is None
