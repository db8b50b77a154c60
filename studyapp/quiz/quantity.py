"""Numbers as people type them: 1.25, 1,250, 1.25 GiB, 1280 MiB, 1.3e9, 3*2^10, 7/4, 25 %, 13亿; and their units.

What is typed is taken apart by the grammar below and never evaluated as code.
"""

import math
import re
from collections.abc import Iterator

from studyapp.errors import AnswerError

LONGEST = 60  # characters
EXAMPLE = "1.25, 1.25 GiB, 1280 MiB, 1.3e9, 3*2^10, 7/4"
NUMBER = r"(?:\d{1,3}(?:[,_ ]\d{3})+|\d+)(?:\.\d+)?|\.\d+"
TERM = re.compile(rf"\s*({NUMBER})(?:[eE]([+-]?\d{{1,3}}))?(?:\s*(?:\^|\*\*)\s*([+-]?\d+(?:\.\d+)?))?")
TIMES = re.compile(r"\s*(?:(×|·|\*(?!\*))|(/|÷))(?=\s*[\d.])")
SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
RAISED = re.compile(r"[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+")

DECIMAL = {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18}
BINARY = {"Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40, "Pi": 2.0**50}
COUNTS = {
    "": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "B": 1e9, "bn": 1e9, "G": 1e9, "T": 1e12, "P": 1e15, "%": 1e-2, "‰": 1e-3,
    "×": 1.0, "x": 1.0, "times": 1.0, "倍": 1.0, "个": 1.0,
    "千": 1e3, "万": 1e4, "百万": 1e6, "亿": 1e8, "万亿": 1e12, "thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12,
    **BINARY,
}  # fmt: skip
TIMES_OF = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "sec": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


def _with_prefixes(names: tuple[str, ...], size: float, prefixes: dict[str, float]) -> dict[str, float]:
    return {prefix + name: factor * size for prefix, factor in prefixes.items() for name in names}


KINDS: dict[str, dict[str, float]] = {
    "bytes": {
        **_with_prefixes(("B", "byte", "bytes", "字节"), 1.0, {**DECIMAL, **BINARY}),
        **_with_prefixes(("bit", "bits", "b", "比特"), 1 / 8, {**DECIMAL, **BINARY}),
    },
    "bytes per second": {
        **_with_prefixes(("B/s", "Bps"), 1.0, {**DECIMAL, **BINARY}),
        **_with_prefixes(("bit/s", "b/s", "bps"), 1 / 8, {**DECIMAL, **BINARY}),
    },
    "operations": _with_prefixes(("FLOP", "FLOPs", "FLOPS", "flop", "flops"), 1.0, DECIMAL),
    "operations per second": _with_prefixes(("FLOP/s", "FLOPs/s", "FLOPS/s", "flop/s", "flops/s"), 1.0, DECIMAL),
    "time": TIMES_OF,
    "angle": {"rad": 1.0, "°": math.pi / 180, "deg": math.pi / 180, "度": math.pi / 180},
    "information": {"nat": 1.0, "nats": 1.0, "bit": math.log(2), "bits": math.log(2), "比特": math.log(2)},
    "count": COUNTS,
}


def kind_of(unit: str) -> str:
    """What a unit measures; the unit itself where it is none known here."""
    if unit == "bit":
        return "information"
    return next((kind for kind, units in KINDS.items() if unit in units), unit)


def read(typed: str, unit: str) -> tuple[float, ...]:
    """What a typed answer may mean, in `unit`.

    A bare number is in the unit asked for; where that is a share or a multiple such as "%" or "M" it may be the number itself,
    0.25 for 25 %.

    Raises:
        AnswerError: where it is no number, or has a unit of something else.
    """
    text = RAISED.sub(lambda raised: "^" + raised[0].translate(SUPERSCRIPTS), typed.strip())
    text = text.replace("−", "-").replace("，", ",").removeprefix("≈").removeprefix("~").strip()
    if len(text) > LONGEST:
        raise AnswerError("an answer has at most {most} characters", most=LONGEST)
    sign, number = (-1.0, text[1:]) if text.startswith("-") else (1.0, text.removeprefix("+"))
    value, rest = _product(number, typed)
    value *= sign
    if not rest:
        return (value, *_bare_readings(value, unit))
    kind = kind_of(unit)
    units = KINDS.get(kind, {unit: 1.0})
    if rest in units:
        return (value * units[rest] / units[unit],)
    if kind == "count" and rest.lower() in COUNTS:
        return (value * COUNTS[rest.lower()] / COUNTS[unit],)
    if any(rest in others for others in KINDS.values()):
        raise AnswerError("{unit} is not what is asked for", "the answer is in {wanted}", unit=rest, wanted=unit or "1")
    hint = "the answer is in {wanted}; type {example}"
    raise AnswerError("{unit!r} is no unit known here", hint, unit=rest, wanted=unit or "1", example=EXAMPLE)


def _bare_readings(value: float, unit: str) -> Iterator[float]:
    if unit and kind_of(unit) == "count":
        yield value / COUNTS[unit]


def _product(text: str, typed: str) -> tuple[float, str]:
    """The value of the numbers at the head of `text`, and what follows them."""
    value, place, divide = 1.0, 0, False
    while True:
        term = TERM.match(text, place)
        if term is None:
            raise AnswerError("{typed!r} is no number", "type {example}", typed=typed[:LONGEST], example=EXAMPLE)
        factor = _term(term, typed)
        if divide and factor == 0:
            raise AnswerError("{typed!r} divides by 0", typed=typed[:LONGEST])
        value = value / factor if divide else value * factor
        place = term.end()
        sign = TIMES.match(text, place)
        if sign is None:
            break
        divide, place = sign[2] is not None, sign.end()
    if not math.isfinite(value):
        raise AnswerError("{typed!r} is too large a number", typed=typed[:LONGEST])
    rest = text[place:].strip()
    if re.match(r"[\d.,^*/+-]", rest):
        raise AnswerError("{typed!r} is no number", "type {example}", typed=typed[:LONGEST], example=EXAMPLE)
    return value, rest


def _term(term: re.Match[str], typed: str) -> float:
    base = float(re.sub(r"[,_ ]", "", term[1]))
    try:
        base = base * 10.0 ** int(term[2]) if term[2] else base
        return math.pow(base, float(term[3])) if term[3] else base
    except (OverflowError, ValueError):
        raise AnswerError("{typed!r} is too large a number", typed=typed[:LONGEST]) from None
