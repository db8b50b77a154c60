"""The values a parameter may take: what a demo's `RANGES` table is written with.

A range is data: the app builds it from the source without running the demo. A bound, divisor or length may be the name of
another parameter; where a claim does not have that one, that part of the range asks nothing.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from studyapp.evidence.types import format_cell
from studyapp.i18n import Translations

Reference = str | int
LOW_END = 2  # drawn numbers are log-uniform, pressed to the low end by this power: small sizes run fast
TRIES = 200


class Range:
    """What all ranges have: whether a value is admitted beside the others, how it reads, and a value drawn from it."""

    def admits(self, value: Any, values: Mapping[str, Any]) -> bool:
        """Whether `value` lies in the range, where the parameters of `values` have those values."""
        raise NotImplementedError

    def text(self, t: Translations, values: Mapping[str, Any]) -> str:
        """The range for a person; a parameter it refers to with its value, where `values` has one."""
        raise NotImplementedError

    def references(self) -> set[str]:
        """The parameters that it refers to."""
        return set()

    def draw(self, rng: random.Random, values: Mapping[str, Any], *, whole: bool) -> Any:
        """A value, small ones more often; a whole number where `whole`. It may still be refused by `admits`."""
        raise NotImplementedError

    def least(self, values: Mapping[str, Any], *, whole: bool) -> Any:
        """The smallest value, or the first choice."""
        raise NotImplementedError


@dataclass(frozen=True)
class Between(Range):
    """Numbers from `low` to `high`, both included."""

    low: float | str
    high: float | str
    divides: Reference = ""
    multiple_of: Reference = ""

    def bounds(self, values: Mapping[str, Any]) -> tuple[float, float]:
        """Low and high as numbers; infinite where the parameter they name is not there."""
        low = [float("-inf")] if isinstance(self.low, str) and self.low not in values else _of(self.low, values)
        high = [float("inf")] if isinstance(self.high, str) and self.high not in values else _of(self.high, values)
        return max(low), min(high)

    def admits(self, value: Any, values: Mapping[str, Any]) -> bool:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        low, high = self.bounds(values)
        if not low <= value <= high:
            return False
        if any(value == 0 or whole % value for whole in _of(self.divides, values)):
            return False
        return not any(part == 0 or value % part for part in _of(self.multiple_of, values))

    def text(self, t: Translations, values: Mapping[str, Any]) -> str:
        parts = [f"{_named(self.low, values)} … {_named(self.high, values)}"]
        if self.divides:
            parts.append(t("evidence.range_divides", what=_named(self.divides, values)))
        if self.multiple_of == 2:
            parts.append(t("evidence.range_even"))
        elif self.multiple_of:
            parts.append(t("evidence.range_multiple_of", what=_named(self.multiple_of, values)))
        return t("evidence.range_and").join(parts)

    def references(self) -> set[str]:
        return {r for r in (self.low, self.high, self.divides, self.multiple_of) if isinstance(r, str) and r}

    def draw(self, rng: random.Random, values: Mapping[str, Any], *, whole: bool) -> Any:
        low, high = self.bounds(values)
        fraction = rng.random() ** LOW_END
        value = low * (high / low) ** fraction if low > 0 else low + (high - low) * fraction
        return self._fitted(value, values) if whole else value

    def least(self, values: Mapping[str, Any], *, whole: bool) -> Any:
        low = self.bounds(values)[0]
        return self._fitted(low, values) if whole else low

    def _fitted(self, value: float, values: Mapping[str, Any]) -> int:
        """The next whole number from `value` on that divides and is divided as it must."""
        low, high = self.bounds(values)
        first = round(value)
        for number in (*range(first, min(int(high), first + 4096) + 1), *range(first, int(low) - 1, -1)):
            if self.admits(number, values):
                return int(number)
        return first


@dataclass(frozen=True)
class OneOf(Range):
    """One of a few values."""

    choices: tuple[Any, ...]

    def admits(self, value: Any, values: Mapping[str, Any]) -> bool:
        return value in self.choices

    def text(self, t: Translations, values: Mapping[str, Any]) -> str:
        return " | ".join(map(str, self.choices))

    def draw(self, rng: random.Random, values: Mapping[str, Any], *, whole: bool) -> Any:
        return rng.choice(self.choices)

    def least(self, values: Mapping[str, Any], *, whole: bool) -> Any:
        return self.choices[0]


@dataclass(frozen=True)
class Each(Range):
    """A tuple whose every value lies in a range of its own."""

    item: Range
    at_least: int = 1
    at_most: int = 16
    rising: bool = False
    same_length: str = ""

    def admits(self, value: Any, values: Mapping[str, Any]) -> bool:
        if not isinstance(value, tuple) or not self.at_least <= len(value) <= self.at_most:
            return False
        other = values.get(self.same_length)
        if isinstance(other, tuple) and len(other) != len(value):
            return False
        if self.rising and any(a >= b for a, b in pairwise(value)):
            return False
        return all(self.item.admits(one, values) for one in value)

    def text(self, t: Translations, values: Mapping[str, Any]) -> str:
        parts = [
            t("evidence.range_each", low=self.at_least, high=self.at_most, item=self.item.text(t, values)),
            *([t("evidence.range_rising")] if self.rising else []),
            *([t("evidence.range_same_length", what=self.same_length)] if self.same_length else []),
        ]
        return t("evidence.range_and").join(parts)

    def references(self) -> set[str]:
        return self.item.references() | ({self.same_length} if self.same_length else set())

    def draw(self, rng: random.Random, values: Mapping[str, Any], *, whole: bool) -> Any:
        other = values.get(self.same_length)
        count = len(other) if isinstance(other, tuple) else rng.randint(self.at_least, min(self.at_most, self.at_least + 3))
        drawn = [self.item.draw(rng, values, whole=whole) for _ in range(count)]
        return tuple(sorted(drawn) if self.rising else drawn)

    def least(self, values: Mapping[str, Any], *, whole: bool) -> Any:
        other = values.get(self.same_length)
        count = len(other) if isinstance(other, tuple) else self.at_least
        low = self.item.least(values, whole=whole)
        if not self.rising or not isinstance(self.item, Between):
            return (low,) * count
        found = [low]
        while len(found) < count:  # the next that is admitted: every further one a little larger
            found.append(self.item._fitted(found[-1] + 1, values) if whole else found[-1] * 1.5 + 1e-3)
        return tuple(found)


def between(low: float | str, high: float | str, *, divides: Reference = "", multiple_of: Reference = "") -> Between:
    """Numbers from `low` to `high`; a bound may name another parameter.

    Args:
        divides: a number or parameter that must be a multiple of the value.
        multiple_of: a number or parameter that the value must be a multiple of.

    Raises:
        ValueError: where no number lies between them.
    """
    if not isinstance(low, str) and not isinstance(high, str) and not low <= high:
        raise ValueError(f"nothing lies between {low} and {high}")
    return Between(low, high, divides, multiple_of)


def one_of(*choices: Any) -> OneOf:
    """One of these values; raises ValueError where there is none."""
    if not choices:
        raise ValueError("one_of needs a choice")
    return OneOf(choices)


def each(
    item: Range, *, at_least: int = 1, at_most: int = 16, rising: bool = False, same_length: str = ""
) -> Each:
    """A tuple of `at_least` to `at_most` values, each in the range `item`.

    Args:
        rising: each value is greater than the one before.
        same_length: the name of another tuple that has as many values.

    Raises:
        TypeError: where `item` is no range.
        ValueError: where the lengths admit nothing; an empty tuple is never admitted.
    """
    if not isinstance(item, Range):
        raise TypeError("each takes a range: each(between(1, 64))")
    if not 1 <= at_least <= at_most:
        raise ValueError("a tuple has at least one value, and at_least is not more than at_most")
    return Each(item, at_least, at_most, rising, same_length)


MAKERS: dict[str, Callable[..., Range]] = {"between": between, "one_of": one_of, "each": each}


def effective(defaults: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """What a claim runs with: its defaults, with those of `given` that it has in their place."""
    return {name: given.get(name, default) for name, default in defaults.items()}


def refusal(ranges: Mapping[str, Range], values: Mapping[str, Any], t: Translations) -> str:
    """One sentence on the first of `values` that lies outside its range, or nothing."""
    for name, value in values.items():
        if name in ranges and not ranges[name].admits(value, values):
            others = {n: v for n, v in values.items() if n != name}
            return t("evidence.out_of_range", name=name, value=value_text(value), range=ranges[name].text(t, others))
    return ""


def value_text(value: Any) -> str:
    """A parameter's value as one would type it: «8, 32»."""
    return ", ".join(map(value_text, value)) if isinstance(value, tuple) else format_cell(value)


def drawn(
    ranges: Mapping[str, Range], defaults: Mapping[str, Any], rng: random.Random, *, lowest: bool = False
) -> dict[str, Any] | None:
    """Values for the parameters of `defaults`, all in range: some at their default, some low, the rest anywhere.

    None where nothing was found that the ranges admit together.
    """
    for _ in range(1 if lowest else TRIES):
        values = dict(defaults)
        for name in _in_order(ranges, defaults):
            one, default = ranges[name], defaults[name]
            whole = _whole(default)
            way = "low" if lowest else rng.choices(("default", "low", "any"), (3, 1, 4))[0]
            if way == "low":
                values[name] = one.least(values, whole=whole)
            elif way == "any":
                values[name] = one.draw(rng, values, whole=whole)
        if all(one.admits(values[name], values) for name, one in ranges.items() if name in values):
            return values
    return None


def _in_order(ranges: Mapping[str, Range], defaults: Mapping[str, Any]) -> Sequence[str]:
    """The parameters that have a range, those that others refer to first."""
    order: list[str] = []

    def visit(name: str, above: frozenset[str]) -> None:
        if name in ranges and name in defaults and name not in order and name not in above:
            for other in sorted(ranges[name].references()):
                visit(other, above | {name})
            order.append(name)

    for name in ranges:
        visit(name, frozenset())
    return order


def _whole(default: Any) -> bool:
    return all(map(_whole, default)) if isinstance(default, tuple) else isinstance(default, int)


def _of(reference: Reference | float, values: Mapping[str, Any]) -> list[float]:
    """The numbers that a reference stands for: itself, or those of the parameter it names."""
    if reference == "":
        return []
    value = values.get(reference, ()) if isinstance(reference, str) else reference
    return list(value) if isinstance(value, tuple) else [value]


def _named(reference: Reference | float, values: Mapping[str, Any]) -> str:
    if isinstance(reference, str) and reference in values:
        return f"{reference} ({value_text(values[reference])})"
    return format_cell(reference)
