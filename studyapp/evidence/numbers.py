"""Numbers as a person reads them: four significant digits, thousands apart, k/M/G where they are long, KiB/MiB for bytes."""

import math
import re
from collections.abc import Iterable

Cell = float | int | str | bool | None
PLAIN, SHORT, BYTES = "", "short", "bytes"
"""How a column or an axis writes its numbers: as they are, with k/M/G/T, or in binary units."""

LONG = 10_000_000
"""From here on a number is written with M, G or T where a whole column is."""
THOUSANDS = 10_000
LARGEST = 1e300
PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
IN_BYTES = re.compile(r"\bbytes\b|字节")
NO_BYTES = re.compile(r"\b(over|sizes|share|ratio|reduction)\b|之比|比值|倍")
"""A label that speaks of bytes, and one that speaks of a ratio of them."""


def number(value: Cell) -> float | None:
    """`value` as a finite number, or None where it is none; cut to ±LARGEST, so that two can be subtracted."""
    if isinstance(value, int):
        return float(max(-LARGEST, min(LARGEST, value)))
    if isinstance(value, float) and math.isfinite(value):
        return max(-LARGEST, min(LARGEST, value))
    return None


def number_style(values: Iterable[Cell], label: str = "") -> str:
    """The one style in which all of `values` under `label` are written, so that they can be compared at a glance."""
    found = [n for n in map(number, values) if n is not None]
    largest = max(map(abs, found), default=0.0)
    whole = all(n == int(n) and n >= 0 for n in found)
    if whole and largest >= THOUSANDS and IN_BYTES.search(label) and not NO_BYTES.search(label):
        return BYTES
    return SHORT if largest >= LONG else PLAIN


def readable(value: Cell, style: str = PLAIN) -> str:
    """`value` in a style; a number has at most four significant digits, a whole one all of them below `LONG` or in PLAIN."""
    if value is None or isinstance(value, bool | str) or not -math.inf < value < math.inf:
        return "" if value is None else str(value)
    if isinstance(value, int) and abs(value) > LARGEST:  # more than a float holds
        power = int(math.log10(abs(value)))
        return f"{_four(value // 10 ** (power - 18) / 1e18)}e{power}"
    if style == BYTES:
        return _binary(value)
    if style == SHORT and THOUSANDS <= abs(value) < 1e15:
        scale, prefix = next((s, p) for s, p in PREFIXES if abs(value) >= s)
        return f"{_four(value / scale)} {prefix}"
    if abs(value) >= 1e15:
        return _scientific(value)
    if value == int(value):
        return f"{int(value):,}" if abs(value) >= THOUSANDS else str(int(value))
    if abs(value) >= THOUSANDS:
        return f"{value:,.0f}"
    return _four(value) if abs(value) >= 1e-4 else _scientific(value)


def _four(value: float) -> str:
    """Four significant digits without an exponent."""
    digits = f"{value:.4g}"
    return digits if "e" not in digits else f"{value:.0f}"


def _scientific(value: float) -> str:
    """1.711e-20; a power of ten as 1e-16."""
    mantissa, _, exponent = f"{value:.3e}".partition("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"


def _binary(value: float) -> str:
    if value < 1024:
        return f"{_four(value)} {UNITS[0]}"
    power = min(int(math.log2(value) // 10), len(UNITS) - 1)
    return f"{_four(value / 1024**power)} {UNITS[power]}"
