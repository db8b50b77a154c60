"""What a parameter may be."""

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studyapp.evidence import between, each, one_of
from studyapp.evidence.ranges import Range, drawn, refusal
from studyapp.i18n import Translations

T = Translations.load("en")


@pytest.mark.parametrize(
    ("one", "inside", "outside"),
    [
        (between(1, 64), (1, 64, 8), (0, 65, -1, float("nan"), float("inf"), True, "8", None)),
        (between(0.5, 2.0), (0.5, 2, 1.25), (0.4999, 2.1)),
        (between(1, "tokens"), (1, 12), (13, 0)),
        (between("heads", 64), (4, 64), (3,)),
        (between(1, 64, divides="tokens"), (1, 3, 12), (5, 24, 0)),
        (between(0, 64, divides="tokens"), (6,), (0,)),
        (between(2, 64, multiple_of=2), (2, 64), (3,)),
        (between(1, 64, multiple_of="heads"), (4, 8), (6,)),
        (between(1, 64, divides="widths"), (1, 2, 8), (16, 3)),
        (between(1, "absent", divides="absent"), (1, 10**9), (0,)),
        (one_of("before", "after"), ("before",), ("Before", "", 0)),
        (each(between(1, 64)), ((1,), (64, 2, 1)), ((), (0,), 3, tuple([1] * 17))),
        (each(between(1, 64), at_least=2, at_most=3, rising=True), ((1, 2), (1, 2, 64)), ((1,), (2, 2), (2, 1), (1, 2, 3, 4))),
        (each(one_of("a", "b"), same_length="widths"), (("a", "b"), ("a", "a")), (("a",), ("a", "b", "a"))),
    ],
)
def test_what_a_range_admits(one: Range, inside: tuple[Any, ...], outside: tuple[Any, ...]) -> None:
    """Both ends are inside, everything else is refused, and a relation looks at the other parameter's value."""
    others = {"tokens": 12, "heads": 4, "widths": (8, 16)}
    assert [v for v in inside if not one.admits(v, others)] == []
    assert [v for v in outside if one.admits(v, others)] == []


@pytest.mark.parametrize(
    ("one", "text", "zh"),
    [
        (between(1, 4096, divides="width"), "1 … 4096, divides width (48)", "1 … 4096，整除 width (48)"),
        (between(0.1, "rate"), "0.1 … rate", "0.1 … rate"),
        (between(2, 8, multiple_of=2), "2 … 8, even", "2 … 8，偶数"),
        (between(3, 9, multiple_of=3), "3 … 9, a multiple of 3", "3 … 9，3 的倍数"),
        (each(one_of("a", "b"), same_length="x"), "1 to 16 values, each a | b, as many as x", "1 到 16 个值，每个 a | b，个数与 x 相同"),
    ],
)
def test_a_range_reads_in_both_languages(one: Range, text: str, zh: str) -> None:
    """A range is a phrase, with the value of the parameter that it depends on."""
    assert (one.text(T, {"width": 48}), one.text(Translations.load("zh"), {"width": 48})) == (text, zh)


def test_a_range_that_admits_nothing_is_refused() -> None:
    """Bounds the wrong way round, no choice, no length, or no range inside are errors where they are written."""
    for make in (lambda: between(2, 1), one_of, lambda: each(between(1, 2), at_least=0), lambda: each(between(1, 2), at_least=20)):
        with pytest.raises(ValueError):
            make()
    with pytest.raises(TypeError):
        each(3)  # type: ignore[arg-type]


RANGES = {
    "width": between(2, 4096, multiple_of="heads"),
    "heads": between(1, 64),
    "kv_heads": between(1, "heads", divides="heads"),
    "widths": each(between(1, 512), at_least=2, rising=True),
    "bases": each(between(10.0, 1e6), same_length="widths"),
    "rate": between(-1.0, 1.0),
    "mask": one_of("before", "after"),
}
DEFAULTS = {"width": 64, "heads": 8, "kv_heads": 2, "widths": (16, 64), "bases": (1e4, 5e5), "rate": 0.0, "mask": "before"}


@given(st.integers(), st.booleans())
def test_what_is_drawn_is_in_range(seed: int, lowest: bool) -> None:
    """Drawn values keep every bound and relation, and whole numbers stay whole."""
    values = drawn(RANGES, DEFAULTS, random.Random(seed), lowest=lowest)
    assert values is not None
    assert refusal(RANGES, values, T) == ""
    assert {n: type(v) for n, v in values.items()} == {n: type(v) for n, v in DEFAULTS.items()}
    assert all(isinstance(w, int) for w in values["widths"])


def test_draws_differ_and_reach_the_low_end() -> None:
    """Over a few draws every parameter takes several values, and all low ends at once are among what can be asked for."""
    draws = [drawn(RANGES, DEFAULTS, random.Random(seed)) for seed in range(40)]
    assert all(len({d[name] for d in draws if d}) > (3 if name != "mask" else 1) for name in DEFAULTS)
    low = drawn(RANGES, DEFAULTS, random.Random(0), lowest=True)
    assert low == DEFAULTS | {"width": 2, "heads": 1, "kv_heads": 1, "widths": (1, 2), "bases": (10.0, 10.0), "rate": -1.0}


def test_what_cannot_be_drawn_is_none() -> None:
    """Ranges that no values satisfy together give nothing, and do not go on for ever."""
    ranges = {"a": between(5, 6), "b": between(1, 2, multiple_of="a")}
    assert drawn(ranges, {"a": 5, "b": 1}, random.Random(0)) is None
