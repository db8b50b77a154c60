"""Where an axis is labelled: at 1, 2 or 5 times a power of ten, on a log axis at powers of ten or of two."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from studyapp.evidence.numbers import PLAIN, SHORT, THOUSANDS, number_style, readable


@dataclass(frozen=True)
class Axis:
    """An axis from `low` to `high`, labelled at `ticks`; all in its own scale, which is log10 where `log`."""

    low: float
    high: float
    ticks: tuple[float, ...]
    labels: tuple[str, ...]
    log: bool = False


def axis(values: Sequence[float], log: bool, most: int, label: str = "", *, grow: bool = False) -> Axis:
    """An axis for `values`, with at most `most` ticks; where `grow`, a linear one ends at ticks.

    Values are those of the data, all positive where `log`. Few enough values are ticks themselves.
    """
    low, high = min(values), max(values)
    given = sorted(set(values))
    if len(given) <= most and not grow:
        ticks = given
    elif log:
        ticks = _log_ticks(low, high, given, most)
    else:
        ticks = _round_ticks(low, high, most, grow)
    style = number_style(ticks, label)
    if style == PLAIN and any(abs(t) >= THOUSANDS for t in ticks) and all(map(_short_is_exact, ticks)):
        style = SHORT
    scale = math.log10 if log else float
    ends = (min(low, ticks[0]), max(high, ticks[-1])) if grow and not log else (low, high)
    if ends[0] == ends[1]:  # a flat curve lies in the middle
        ends = (ends[0] / 2, ends[1] * 2) if log else (ends[0] - (abs(ends[0]) or 1) / 2, ends[1] + (abs(ends[1]) or 1) / 2)
    return Axis(scale(ends[0]), scale(ends[1]), tuple(map(scale, ticks)), _labels(ticks, style, log), log)


def _labels(ticks: Sequence[float], style: str, log: bool) -> tuple[str, ...]:
    """The ticks as text; where a log axis needs an exponent, all far from 1 have one."""
    labels = tuple(readable(t, style) for t in ticks)
    if not log or not any("e" in label for label in labels):
        return labels
    return tuple(label if 1e-3 < t < 1e3 else f"1e{round(math.log10(t))}" for t, label in zip(ticks, labels, strict=True))


def _short_is_exact(value: float) -> bool:
    """Whether four digits tell all of it: 20 k for 20,000, but 16,384 as it is."""
    return float(f"{value:.4g}") == value


def _round_ticks(low: float, high: float, most: int, grow: bool) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten; they enclose the range where `grow`, else they lie in it."""
    span = (high - low) or abs(high) or 1.0
    power = math.floor(math.log10(span)) - 2
    while True:
        for factor in (1, 2, 5):
            step = factor * 10.0**power
            first, last = (
                (math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9))
                if grow
                else (math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9))
            )
            if last - first + 1 <= max(2, most):
                return [float(f"{n * step:.12g}") for n in range(first, last + 1)] or [low]
        power += 1


def _log_ticks(low: float, high: float, given: Sequence[float], most: int) -> list[float]:
    """Powers of two where the data are, else of ten; where a decade is too long, 1, 2 and 5 times them."""
    if all(math.log2(v) == int(math.log2(v)) for v in given):
        exponents = range(int(math.log2(low)), int(math.log2(high)) + 1)
        step = next(s for s in range(1, len(exponents) + 1) if -(-len(exponents) // s) <= most)
        return [2.0**e for e in exponents[::step]]
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    if last > first:
        for step in (1, 2, 3, 4, 5, 10, 20, 50, 100, 200):
            decades = [e for e in range(first, last + 1) if e % step == 0]
            if len(decades) <= most:
                return [10.0**e for e in decades or (first,)]
    fine = [f * 10.0**e for e in range(first - 1, last + 2) for f in (1, 2, 5)]
    inside = [t for t in fine if low * (1 - 1e-9) <= t <= high * (1 + 1e-9)]
    return inside[:most] if inside else [low, high] if low < high else [low]
