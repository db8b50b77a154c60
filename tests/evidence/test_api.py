"""What a claim says is kept as plain values and judged as stated."""

import json
import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from studyapp.evidence import bars, expect, heatmap, lines, progress, show, table
from studyapp.evidence.api import CannotJudgeError, ExpectationError, listening
from studyapp.evidence.claims import Recorder, needs, run_claim, slow
from studyapp.evidence.types import Check, exception_line, from_json, to_json, to_plain
from studyapp.i18n import Translations


def check(got: Any, **relation: Any) -> Check:
    """The check that an expectation leaves."""
    heard = Recorder()
    with listening(heard):
        expect("x", got, **relation)
    (made,) = heard.checks
    return made


@pytest.mark.parametrize(
    ("got", "relation", "held", "margin"),
    [
        (1.1, {"equals": 1, "within": 0.25}, True, 0.15),
        (1.5, {"equals": 1, "within": 0.25}, False, -0.25),
        (3, {"at_least": 2}, True, 1),
        (1, {"at_least": 2, "within": 1}, True, 0),
        (3, {"at_most": 2}, False, -1),
        (2, {"at_most": 2}, True, 0),
        (True, {"equals": True}, True, 0),
        (False, {"equals": True}, False, -1),
        ("gloo", {"equals": "gloo"}, True, 0),
        ("gloo", {"equals": "nccl"}, False, -1),
        (2**60 + 1, {"equals": 2**60}, False, -1),
        (10**400, {"equals": 10**400}, True, 0),
    ],
)
def test_an_expectation_keeps_its_margin(got: Any, relation: dict[str, Any], held: bool, margin: float) -> None:
    """Held or not, and how far `got` may still move, follow from the relation and the tolerance."""
    made = check(got, **relation)
    assert made.held is held
    assert made.margin == pytest.approx(margin)


@pytest.mark.parametrize(
    ("got", "relation", "held"),
    [
        (1, {"equals": "nan"}, False),
        (math.nan, {"equals": "nan"}, True),
        (math.nan, {"equals": math.nan}, True),
        (math.inf, {"equals": math.inf}, True),
        (math.inf, {"equals": -math.inf}, False),
        (math.inf, {"at_least": 1e300}, True),
        (math.inf, {"at_most": 1e300}, False),
    ],
)
def test_nan_and_inf_are_judged_as_they_are(got: float, relation: dict[str, float], held: bool) -> None:
    """NaN is judged where it is asked for, infinity as the number it is, and the check is still JSON."""
    made = check(got, **relation)
    assert made.held is held
    assert from_json(json.loads(json.dumps(to_json(made), allow_nan=False))) == made


@pytest.mark.parametrize(
    ("got", "relation"),
    [
        (math.nan, {"equals": 1}),
        (math.nan, {"equals": 1, "within": math.inf}),
        (math.nan, {"at_least": 0}),
        ([1.0, math.nan], {"at_most": 5}),
        (1, {"at_most": math.nan}),
        (1, {"equals": 1, "within": -1e-9}),
        (1, {"equals": 1, "within": math.nan}),
        (torch.zeros(0), {"equals": 1}),
    ],
)
def test_what_is_no_measurement_is_not_judged(got: Any, relation: dict[str, Any]) -> None:
    """A nan that nobody asked for, a tolerance below zero and an empty tensor say nothing, true or false."""
    with pytest.raises(CannotJudgeError, match="x"):
        check(got, **relation)


def test_words_have_no_order() -> None:
    """Of a string or a truth only equality can be asked."""
    for got in ("gloo", True, None):
        with pytest.raises(ValueError, match="no order"):
            check(got, at_least=0)


ENGLISH, CHINESE = Translations.load("en"), Translations.load("zh")


@pytest.mark.parametrize(
    ("got", "relation", "en"),
    [
        (8.98, {"equals": 1, "within": 0.2, "at": ("d", 16)}, "x is 8.98 at d = 16, not 1 ± 0.2"),
        (0.997, {"at_least": 0.99}, "x is 0.997, as expected: at least 0.99"),
        ([1, 2.5, 3], {"at_most": 2, "at": ("d", (4, 5, 6))}, "x: 2 of 3 not as expected; worst 3 at d = 6, expected at most 2"),
        ([0.99, 1.1], {"equals": 1, "within": 0.2}, "x: all 2 as expected; worst 1.1, expected 1 ± 0.2"),
        ([[True, True], [True, True]], {"equals": True}, "x: all 4 exactly as expected, first True"),
        ([65536, 2], {"equals": [65536, 2]}, "x: all 2 exactly as expected, first 65,536"),
    ],
)
def test_a_check_says_how_many_were_compared(got: Any, relation: dict[str, Any], en: str) -> None:
    """The sentence says how many numbers were compared, how many broke and which was worst."""
    assert check(got, **relation).sentence(ENGLISH) == en


@given(st.sampled_from(["equals", "at_least", "at_most"]), st.floats(0.5, 2), st.floats(-1e-9, 1e-9))
def test_a_broken_check_never_reads_as_if_it_held(relation: str, want: float, off: float) -> None:
    """However near it was, the number measured is not written like the bound that it broke: no «1, not at most 1»."""
    made = check(want + off, **{relation: want})
    if not made.held:
        got, bound = made.sentence(ENGLISH).removeprefix("x is ").split(", not ")
        far = float(got) - float(bound.removeprefix("at least ").removeprefix("at most "))
        assert {"equals": far != 0, "at_least": far < 0, "at_most": far > 0}[relation]


def test_a_tolerance_just_missed_is_seen() -> None:
    """Beyond a tolerance the digits reach to where it was missed."""
    assert check(1.200003, equals=1, within=0.2).sentence(ENGLISH) == "x is 1.200003, not 1 ± 0.2"


def test_a_check_is_said_in_chinese() -> None:
    """The words between the numbers are the reader's language."""
    made = check([1, 3], at_most=2, at=("d", (4, 5)))
    assert made.sentence(CHINESE) == "x：2 个中有 1 个不符合预期；最差为 3（d = 5），预期：不大于 2"


def test_of_a_sequence_the_thinnest_is_kept() -> None:
    """The place with the least margin is reported, and a broken one before any that holds."""
    made = check(torch.tensor([1.0, 1.25, 0.875]), equals=1, within=0.5, at=("d", (16, 64, 256)))
    assert (made.got, made.margin, made.place, made.held) == (1.25, 0.25, ("d", 64), True)
    assert check([5, 1], at_least=[6, -99]).got == 5
    assert check([[1, 2], [3, 9]], at_most=[2, 2, 3, 4]).got == 9


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), min_size=1), st.floats(0, 1e3))
def test_a_sequence_holds_when_all_of_it_does(got: list[float], within: float) -> None:
    """A check over many numbers holds exactly where each by itself would."""
    assert check(got, equals=0, within=within).held == all(abs(g) <= within for g in got)


@pytest.mark.parametrize("relation", ["equals", "at_least", "at_most"])
@given(st.lists(st.floats(-4, 4), min_size=2, max_size=6), st.floats(-2, 2), st.floats(0, 3))
def test_of_many_numbers_each_is_judged_as_it_would_be_alone(relation: str, got: list[float], want: float, within: float) -> None:
    """The thinnest margin, whether all hold and how many do not are those of the numbers one by one."""
    alone = [check(number, **{relation: want}, within=within) for number in got]
    kept = check(got, **{relation: want}, within=within)
    assert kept.margin == min(one.margin for one in alone)
    assert kept.held == all(one.held for one in alone) and kept.failed == sum(not one.held for one in alone)


@pytest.mark.parametrize(
    ("got", "relation"),
    [
        (1, {}),
        (1, {"equals": 1, "at_least": 1}),
        ([], {"equals": 1}),
        ([1, 2, 3], {"equals": [1, 2]}),
        ([1, 2, 3], {"equals": 1, "at": ("d", (1, 2))}),
    ],
)
def test_an_expectation_that_says_nothing_is_refused(got: Any, relation: dict[str, Any]) -> None:
    """No relation, two of them, nothing to judge, or lengths that differ raise."""
    with pytest.raises(ValueError, match=r"."):
        check(got, **relation)


def test_without_a_listener_a_broken_expectation_raises() -> None:
    """Called from a test, a claim's function fails with the check's sentence, and showing does nothing."""
    show(table({"a": [1]}))
    expect("n", 1, equals=1)
    with pytest.raises(ExpectationError, match=r"Var is 8\.98 at d = 16, not 1 ± 0\.2"):
        expect("Var", 8.98, equals=1, within=0.2, at=("d", 16))


@pytest.mark.parametrize(
    "value",
    [
        torch.tensor(3),
        torch.tensor([True]),
        torch.ones(2, requires_grad=True),
        torch.ones(2, dtype=torch.bfloat16),
        range(3),
        [math.nan, math.inf],
        torch.tensor([float("-inf")]),
    ],
)
def test_tensors_and_ranges_become_plain(value: Any) -> None:
    """Whatever a demo hands over is JSON afterwards, nan and inf as words."""
    json.dumps(to_plain(value), allow_nan=False)
    assert to_plain(torch.tensor([1.0, math.nan, -math.inf])) == (1.0, "nan", "-inf")


def test_what_is_no_number_is_refused() -> None:
    """A complex number or an object raises TypeError."""
    for value in (1j, object()):
        with pytest.raises(TypeError):
            to_plain(value)


@pytest.mark.parametrize(
    "item",
    [
        table({"a": torch.arange(2), "b": ["x", None]}, title="t"),
        table(["a"], [[True]]),
        lines("d", (1, 2), {"y": torch.rand(2), "z": [math.inf, 0]}, log="xy"),
        bars(torch.arange(2), {"s": [1, 2]}),
        bars(["a"], [1]),
        heatmap(torch.rand(2, 3), x=range(3), y="ab"),
    ],
)
def test_evidence_survives_json(item: Any) -> None:
    """Every kind of evidence comes back from JSON as it was."""
    assert from_json(json.loads(json.dumps(to_json(item), allow_nan=False))) == item


def test_columns_of_different_length_are_refused() -> None:
    """Evidence whose parts do not fit is an error where it is made."""
    for make in (
        lambda: table({"a": [1], "b": [1, 2]}),
        lambda: table(["a"], [[1, 2]]),
        lambda: lines("x", [1], {"y": [1, 2]}),
        lambda: lines("x", [1], {"y": [1]}, log="z"),
        lambda: bars(["a"], [1, 2]),
        lambda: heatmap([[1], [1, 2]]),
    ):
        with pytest.raises(ValueError, match=r"."):
            make()


def test_progress_passes_everything_on() -> None:
    """Iterating is as without it, and the last step is always told."""

    class Bar(Recorder):
        seen: tuple[int, int] = (0, 0)

        def progressed(self, done: int, total: int) -> None:
            self.seen = (done, total)

    bar = Bar()
    with listening(bar):
        assert list(progress(range(5))) == list(range(5))
        assert bar.seen == (5, 5)
        assert list(progress(iter("ab"))) == ["a", "b"]
        assert bar.seen == (2, 2)
    assert list(progress([])) == []


def test_a_claim_keeps_evidence_and_threads() -> None:
    """Evidence before a break stays, the thread count comes back, and parameters of other claims are left alone."""
    threads = torch.get_num_threads()

    def claim(n: int = 1) -> None:
        show(table({"threads": [torch.get_num_threads()]}))
        expect("n", n, equals=1)

    outcome = run_claim("c", claim, {"n": 2, "other": 3})
    assert (outcome.held, outcome.parameters, len(outcome.evidence)) == (False, {"n": 2}, 1)
    assert to_json(outcome.evidence[0])["rows"] == ((1,),)
    assert torch.get_num_threads() == threads


def test_what_a_claim_came_to() -> None:
    """A claim that raised could not be run, which is not the same as one that does not hold, whatever was judged before."""

    def held() -> None:
        expect("n", 1, equals=1)

    def broken() -> None:
        expect("n", 2, equals=1)

    def crashed() -> None:
        expect("n", 2, equals=1)
        raise RuntimeError("negative dimension -5")

    def silent() -> None:
        """Judges nothing."""

    @needs("a quantum computer")
    def lacking() -> None:
        """Cannot be run here."""

    def empty() -> None:
        expect("n", [], equals=1)

    def broken_then_empty() -> None:
        expect("n", 2, equals=1)
        expect("m", math.nan, equals=1)

    states = [run_claim("c", c).state for c in (held, broken, crashed, silent, lacking, empty, broken_then_empty)]
    assert states == ["held", "broken", "crashed", "crashed", "skipped", "crashed", "broken"]
    assert run_claim("c", empty).error == "nothing to judge for «n»: give a parameter with which there is something"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        ('Traceback (most recent call last):\n  File "a.py", line 1\n    1 / 0\nZeroDivisionError: division by zero\n',
         "ZeroDivisionError: division by zero"),
        ("Traceback (most recent call last):\n  File x\nRuntimeError: no kernel\nException raised from f at g.cpp:9\nframe #0: c10",
         "RuntimeError: no kernel"),
        ("Traceback (most recent call last):\n  File x\nKeyError: 1\n\nDuring handling of the above exception:\n\n"
         "Traceback (most recent call last):\n  File y\nValueError: mine\n", "ValueError: mine"),
        ("the claim expected nothing", "the claim expected nothing"),
        ("", ""),
    ],
)  # fmt: skip
def test_the_line_that_names_the_exception(error: str, line: str) -> None:
    """Of a traceback the line with Python's exception is told, not a frame of C++ below it."""
    assert exception_line(error) == line


@pytest.mark.parametrize("seconds", [0, -1, 601, float("nan")])
def test_a_claim_is_slow_within_bounds(seconds: float) -> None:
    """A time limit is more than nothing and at most ten minutes."""
    with pytest.raises(ValueError, match="up to 600 s"):
        slow(seconds)
