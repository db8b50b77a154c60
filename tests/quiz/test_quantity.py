"""Numbers as people type them."""

import math
from fractions import Fraction

import pint
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studyapp.errors import AnswerError
from studyapp.quiz.quantity import KINDS, kind_of, read

ORACLE = pint.UnitRegistry()
NAMES = {"B": "byte", "b": "bit", "FLOP": "count", "s": "second", "us": "microsecond", "rad": "radian", "deg": "degree"}

TYPED = {
    ("1.25", "GiB"): 1.25,
    ("1.25 GiB", "GiB"): 1.25,
    ("1.25GiB", "GiB"): 1.25,
    ("1280 MiB", "GiB"): 1.25,
    ("1.3e9", ""): 1.3e9,
    ("1.3E+9", ""): 1.3e9,
    ("2^20", ""): 2**20,
    ("2**20 B", "MiB"): 1,
    ("2²⁰", ""): 2**20,
    ("3*2^10 KiB", "MiB"): 3,
    ("3 × 4", ""): 12,
    ("7/4", ""): 1.75,
    ("1,250", "KiB"): 1250,
    ("1 250 000", ""): 1_250_000,
    ("−0.5", "rad"): -0.5,
    (".5", ""): 0.5,
    ("180°", "rad"): math.pi,
    ("25 %", "%"): 25,
    ("25", "%"): 25,
    ("0.25", "%"): 25,
    ("1.3B", "M"): 1300,
    ("13亿", "M"): 1300,
    ("1300000000", "M"): 1300,
    ("3 µs", "ms"): 0.003,
    ("1 bit", "nat"): math.log(2),
    ("8 bits", "B"): 1,
    ("4倍", ""): 4,
    ("≈ 2 TFLOPs", "GFLOPs"): 2000,
    ("10⁻³", ""): 1e-3,
    ("1_250", ""): 1250,
    ("1，250", "KiB"): 1250,
    ("8 Gb/s", "GB/s"): 1,
    ("1 nat", "bit"): 1 / math.log(2),
    ("5 Million", "M"): 5,
    ("~2", ""): 2,
    ("+5", ""): 5,
    ("2^0.5", ""): math.sqrt(2),
}


@pytest.mark.parametrize(("typed", "unit"), TYPED)
def test_a_number_is_read_as_people_type_it(typed: str, unit: str) -> None:
    """Factors, powers, separators of thousands, units and their prefixes, also Chinese ones."""
    assert any(math.isclose(value, TYPED[typed, unit], rel_tol=1e-12) for value in read(typed, unit))


NONE = ["", "abc", "1,25", "1..2", "1 2 3", "2^", "1/0", "9^999", "1e999", "2^^3", "__import__('os')", "1" * 80, "1e300*1e300"]


@pytest.mark.parametrize("typed", [*NONE, "0^-1"])
def test_what_is_no_number_is_no_wrong_answer(typed: str) -> None:
    """It is refused for what it is, and nothing of it is evaluated."""
    with pytest.raises(AnswerError, match=r"is no number|too large a number|divides by 0|at most .* characters"):
        read(typed, "GiB")


@pytest.mark.parametrize(("typed", "unit"), [("5 ms", "GiB"), ("5 GB/s", "GB"), ("2 GiB", "")])
def test_a_unit_of_something_else_is_no_wrong_answer(typed: str, unit: str) -> None:
    """Time is not memory, and is told as such, apart from what is no unit at all: the answer stays to be given."""
    with pytest.raises(AnswerError, match="is not what is asked for"):
        read(typed, unit)
    with pytest.raises(AnswerError, match="is no unit known here"):
        read("3 tokens", unit)


def test_a_bare_number_has_one_meaning_but_for_shares_and_multiples() -> None:
    """70 where MiB are asked for is 70 MiB; 0.5 where a share is asked for may be half."""
    assert read("70", "MiB") == (70.0,) and read("70", "B") == (70.0,)
    assert read("70 MiB", "MiB") == (70.0,)
    assert set(read("0.5", "%")) == {0.5, 50.0}
    assert read("0.5 %", "%") == (0.5,)


UNITS = sorted((kind, unit) for kind in ("bytes", "time", "operations") for unit in KINDS[kind] if unit.isascii())


def spelled(unit: str) -> str:
    """A unit as the oracle writes it."""
    for sign, name in NAMES.items():
        prefix = unit.removesuffix(sign)
        if unit != prefix and prefix in {"", "k", "K", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi"}:
            return prefix.replace("K", "k" if len(prefix) == 1 else "K") + name
    return unit


@given(
    st.sampled_from([u for u in UNITS if u[1][-1:] in "Bbs" and u[1] not in {"FLOPs", "FLOPS", "flops", "bits", "bytes"}
                     and not u[1].endswith(("bits", "bytes", "FLOPs", "flops"))]),
    st.sampled_from(["B", "KiB", "MiB", "GiB", "GB", "ms", "s"]),
    st.decimals(min_value="0.001", max_value="99999", places=3, allow_nan=False),
    st.integers(-6, 12),
)  # fmt: skip
def test_units_are_converted_as_another_library_does(kind_unit, wanted, value, exponent) -> None:
    """Whatever the prefixes, 10-based and binary, pint comes to the same number; and what it refuses is refused."""
    kind, unit = kind_unit
    typed = f"{value}e{exponent} {unit}"
    if kind_of(wanted) != kind:
        with pytest.raises(AnswerError):
            read(typed, wanted)
        return
    expected = (float(value) * 10.0**exponent * ORACLE(spelled(unit))).to(spelled(wanted)).magnitude
    assert read(typed, wanted) == (pytest.approx(expected, rel=1e-9),)


@given(st.lists(st.tuples(st.integers(1, 500), st.integers(0, 6), st.sampled_from("*/")), min_size=1, max_size=5))
def test_products_are_as_exact_arithmetic_has_them(factors) -> None:
    """Any chain of factors, powers and divisions is its value as a fraction."""
    exact, text = Fraction(1), ""
    for place, (base, power, sign) in enumerate(factors):
        term = Fraction(base) ** power
        exact = exact / term if place and sign == "/" else exact * term
        text += (sign if place else "") + f"{base}^{power}"
    if len(text) <= 60:
        assert read(text, "")[0] == pytest.approx(float(exact), rel=1e-12)


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Nothing that is typed ends in anything but numbers or a sentence."""
    try:
        assert all(map(math.isfinite, read(text, "GiB")))
    except AnswerError as error:
        assert str(error.message)
