"""How numbers are written."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studyapp.evidence.numbers import BYTES, PLAIN, SHORT, number, number_style, readable

VALUES = st.one_of(st.integers(-(10**18), 10**18), st.floats(-1e18, 1e18), st.floats(-1e-3, 1e-3))


@pytest.mark.parametrize(
    ("value", "text"),
    [(65536, "65,536"), (65536.0, "65,536"), (4096, "4096"), (0.28324, "0.2832"), (1e-16, "1e-16"), (1.7109e-20, "1.711e-20"),
     (12345.6, "12,346"), (2.6431e15, "2.643e15"), (1e20, "1e20"), (-0.5, "-0.5"), (0.0, "0"), (1.0, "1"), (True, "True"),
     ("nan", "nan"), (None, "")],
)  # fmt: skip
def test_a_number_is_written_as_a_person_writes_it(value: object, text: str) -> None:
    """Thousands stand apart, four significant digits are enough, a whole number keeps all of its digits."""
    assert readable(value) == text


@pytest.mark.parametrize(
    ("value", "style", "text"),
    [(1030792151040, SHORT, "1.031 T"), (25165824, SHORT, "25.17 M"), (393216, SHORT, "393.2 k"), (2048, SHORT, "2048"),
     (2097152, BYTES, "2 MiB"), (4456448, BYTES, "4.25 MiB"), (512, BYTES, "512 B"), (2**50, BYTES, "1 PiB")],
)  # fmt: skip
def test_a_long_number_has_a_prefix(value: int, style: str, text: str) -> None:
    """k/M/G/T by thousands, KiB/MiB/GiB by 1024."""
    assert readable(value, style) == text


def test_one_column_has_one_style() -> None:
    """Numbers under one head are comparable at a glance: one long number puts the prefix on all of them."""
    assert number_style([1024, 10**9]) == SHORT
    assert number_style([1024, 9_999_999, "nan", None]) == PLAIN
    assert number_style([2**20, 2**30], "naive, peak bytes") == BYTES
    assert number_style([2**20, 2**30], "cache bytes, cached over absorbed") == SHORT
    assert number_style([0, 3], "bytes copied") == PLAIN
    assert number_style([10_000.5], "bytes") == PLAIN


@given(VALUES, st.sampled_from([PLAIN, SHORT, BYTES]))
def test_no_number_is_written_with_a_padded_exponent(value: float, style: str) -> None:
    """Never `6.554e+04`: an exponent is said only where there is no other way, and without sign or zeros in front."""
    text = readable(abs(value) if style == BYTES else value, style)
    assert not re.search(r"e\+|e-?0|\.0*$", text)
    if 1e-4 <= abs(value) < 1e15:
        assert "e" not in text


@given(st.floats(1e-12, 1e14))
def test_what_is_written_is_the_number_to_four_digits(value: float) -> None:
    """Reading it back gives the number, to one part in two thousand."""
    assert float(readable(value).replace(",", "")) == pytest.approx(value, rel=5.1e-4)


def test_a_whole_number_larger_than_a_float_is_read_and_drawn() -> None:
    """2 to the 2000 is told by its power of ten, and a chart has a number in its stead that can be subtracted."""
    assert (readable(2**2000), readable(-(10**400))) == ("1.148e602", "-1e400")
    assert number(2**2000) == -number(-1e308) == 1e300  # type: ignore[operator]
