"""What a claim says while it runs: `show`, `expect`, `progress`.

They speak to the current Listener. The runner of claims sets one; a demo's function called from a test has none, and
then nothing is kept and a broken expectation raises.
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import Any, Protocol, TypeVar

from studyapp.evidence.types import Bars, Check, Evidence, Heatmap, Lines, Table, to_plain

T = TypeVar("T")
PROGRESS_SECONDS = 0.1


class Listener(Protocol):
    """Who hears what a claim says, in the order it is said."""

    def shown(self, item: Evidence) -> None: ...
    def checked(self, check: Check) -> None: ...
    def progressed(self, done: int, total: int) -> None: ...


class CannotJudgeError(ValueError):
    """Nothing can be said of a claim: nothing was measured, or what was measured is no number."""


class ExpectationError(AssertionError):
    """An expectation that broke while nobody was listening; the message is the check's sentence."""


_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Send everything said inside to `listener`."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def mute() -> None:
    """Speak to nobody from here on: a rank's pictures are not the claim's, and an expectation that breaks in one raises."""
    _listener.set(None)


def table(
    columns: Mapping[str, Sequence[Any]] | Sequence[str],
    rows: Iterable[Sequence[Any]] | None = None,
    *,
    title: str = "",
) -> Table:
    """Rows under named columns: either `{name: column}`, or names and rows.

    Raises:
        ValueError: where columns differ in length or a row has another number of cells.
    """
    if isinstance(columns, Mapping):
        cells = [_column(v) for v in columns.values()]
        _same_length(dict(zip(columns, cells, strict=True)))
        made = tuple(zip(*cells, strict=True))
    else:
        made = tuple(tuple(_cell(c) for c in row) for row in rows or ())
    names = tuple(columns)
    if any(len(row) != len(names) for row in made):
        raise ValueError(f"every row needs {len(names)} cells, one under each of {names}")
    return Table(names, made, title)


def lines(
    x_label: str, x: Any, series: Mapping[str, Any], *, log: str = "", title: str = "", y_label: str = ""
) -> Lines:
    """Curves over one axis; `log` names the axes drawn in powers of ten: "", "x", "y" or "xy".

    Raises:
        ValueError: where a curve and x differ in length, or `log` is something else.
    """
    if log not in {"", "x", "y", "xy"}:
        raise ValueError(f'log is "", "x", "y" or "xy", not {log!r}')
    made = {name: _column(values) for name, values in series.items()}
    _same_length({x_label: _column(x), **made})
    return Lines(x_label, _column(x), made, log, title, y_label)


def bars(
    labels: Sequence[Any], series: Mapping[str, Any] | Any, *, log: str = "", title: str = "", y_label: str = ""
) -> Bars:
    """Bars over labels; `series` is one column or `{name: column}`; `log` is "" or "y"."""
    made = {n: _column(v) for n, v in series.items()} if isinstance(series, Mapping) else {y_label: _column(series)}
    names = tuple(str(v) for v in _column(labels))
    _same_length({"labels": names, **made})
    return Bars(names, made, log, title, y_label)


def heatmap(
    values: Any, *, x_label: str = "", y_label: str = "", x: Sequence[Any] = (), y: Sequence[Any] = (), title: str = ""
) -> Heatmap:
    """A matrix as colours, row 0 on top."""
    rows = tuple(_column(row) for row in to_plain(values))
    _same_length({f"row {i}": row for i, row in enumerate(rows)})
    return Heatmap(rows, x_label, y_label, tuple(map(str, to_plain(x))), tuple(map(str, to_plain(y))), title)


def show(*items: Evidence) -> None:
    """Put evidence before the reader; call it before the expectations, so that a broken claim keeps its picture."""
    listener = _listener.get()
    for item in items:
        if listener is not None:
            listener.shown(item)


def expect(
    what: str,
    got: Any,
    *,
    equals: Any = None,
    at_least: Any = None,
    at_most: Any = None,
    within: Any = 0.0,
    at: tuple[str, Any] | None = None,
) -> None:
    """State what must be so of a number, or of every number of a sequence, and keep it with its margin.

    Args:
        what: the quantity, as a reader would call it.
        got: a number or a (nested) sequence or tensor of numbers, booleans or strings.
        equals, at_least, at_most: exactly one of them; a number, or one for each of `got`. `equals="nan"` asks for nan.
        within: the tolerance, absolute, in the unit of `got`; a number, or one for each of `got`.
        at: (name, values): where along an axis each of `got` stands; the place of the thinnest margin is reported.

    Raises:
        CannotJudgeError: where there is nothing to compare, a nan that was not asked for, or no usable tolerance.
        ValueError: where not exactly one relation is given or the lengths differ.
        ExpectationError: where it does not hold and nobody is listening.
    """
    given = {n: v for n, v in {"equals": equals, "at_least": at_least, "at_most": at_most}.items() if v is not None}
    if len(given) != 1:
        raise ValueError("expect takes exactly one of equals, at_least and at_most")
    ((relation, wanted),) = given.items()
    gots = _flat(to_plain(got))
    if not gots:
        raise CannotJudgeError(f"nothing to judge for «{what}»: give a parameter with which there is something")
    wants, slacks = _spread(to_plain(wanted), len(gots)), _spread(to_plain(within), len(gots))
    places = _spread(to_plain(at[1]), len(gots)) if at else [None] * len(gots)
    rows = list(zip(gots, wants, slacks, places, strict=True))
    failed = None
    if all(type(g) is float for g in gots) and {type(n) for n in (*wants, *slacks)} <= {int, float}:
        margins = _margins(relation, gots, list(map(_number, wants)), list(map(_number, slacks)))
        rows, failed = [rows[margins.index(min(margins))]], sum(m < 0 for m in margins)  # of many numbers only the worst becomes a Check
    checks = [_judge(what, relation, g, w, s, (at[0], p) if at else None) for g, w, s, p in rows]
    worst = min(checks, key=lambda c: (c.held, _number(c.margin)))
    worst = replace(worst, count=len(gots), failed=sum(not c.held for c in checks) if failed is None else failed)
    listener = _listener.get()
    if listener is not None:
        listener.checked(worst)
    elif not worst.held:
        raise ExpectationError(worst.sentence())


def progress(items: Iterable[T], total: int | None = None) -> Iterator[T]:
    """Iterate and move the bar, at most ten times a second; silent where nobody listens."""
    count = total if total is not None else len(items) if isinstance(items, Sized) else 0
    told, done = 0.0, 0
    for done, item in enumerate(items, 1):
        yield item
        if time.monotonic() - told >= PROGRESS_SECONDS:
            told = time.monotonic()
            _progressed(done, count)
    if done:
        _progressed(done, count or done)


def _progressed(done: int, total: int) -> None:
    listener = _listener.get()
    if listener is not None:
        listener.progressed(done, total)


def _margins(relation: str, gots: list[float], wants: list[float], slacks: list[float]) -> list[float]:
    """By how much each of many finite numbers holds, below 0 where it does not; below any other where its tolerance is."""
    slacks = [s if s >= 0 else float("-inf") for s in slacks]
    if relation == "equals":
        return [s - abs(g - w) for g, w, s in zip(gots, wants, slacks, strict=True)]
    if relation == "at_least":
        return [s + (g - w) for g, w, s in zip(gots, wants, slacks, strict=True)]
    return [s + (w - g) for g, w, s in zip(gots, wants, slacks, strict=True)]


def _judge(what: str, relation: str, got: Any, want: Any, within: Any, place: tuple[str, Any] | None) -> Check:
    slack = _number(within)
    if not slack >= 0:
        raise CannotJudgeError(f"«{what}»: the tolerance is {within}, and one is never negative and always a number")
    if not _is_number(got) or not _is_number(want):
        if relation != "equals":
            raise ValueError(f"«{what}»: {got!r} and {want!r} have no order; compare them with equals")
        return Check(what, relation, got, want, within, 0.0 if got == want else -1.0, got == want, place)
    where = f" at {place[0]} = {place[1]}" if place else ""
    if want == NAN and relation == "equals":
        return Check(what, relation, got, want, within, slack if got == NAN else -1.0, got == NAN, place)
    if NAN in (got, want):
        raise CannotJudgeError(f"«{what}» is {got}{where}, to be compared with {want}: nan is no measurement")
    g, w = (got, want) if isinstance(got, int) and isinstance(want, int) else (_number(got), _number(want))
    room = {"equals": -abs(g - w), "at_least": g - w, "at_most": w - g}[relation] if g != w else 0.0
    margin = slack + _number(room)
    return Check(what, relation, got, want, within, to_plain(_number(margin)), g == w or margin >= 0, place)


NAN = "nan"  # as to_plain writes it
SPECIAL = {NAN, "inf", "-inf"}


def _is_number(value: Any) -> bool:
    return value in SPECIAL if isinstance(value, str) else value is not None and not isinstance(value, bool)


def _number(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")
    except (TypeError, ValueError):
        return float("nan")


def _flat(value: Any) -> list[Any]:
    if isinstance(value, tuple) and not any(isinstance(v, tuple) for v in value):
        return list(value)
    return [leaf for v in value for leaf in _flat(v)] if isinstance(value, tuple) else [value]


def _spread(value: Any, n: int) -> list[Any]:
    flat = _flat(value)
    if len(flat) not in {1, n}:
        raise ValueError(f"{len(flat)} values stand beside {n}: give one, or one for each")
    return flat * n if len(flat) == 1 and n != 1 else flat


def _column(values: Any) -> tuple[Any, ...]:
    made = to_plain(values)
    return tuple(_cell(v) for v in made) if isinstance(made, tuple) else (made,)


def _cell(value: Any) -> Any:
    made = to_plain(value)
    return ", ".join(map(str, made)) if isinstance(made, tuple) else made


def _same_length(columns: Mapping[str, Sequence[Any]]) -> None:
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"these differ in length: {lengths}")
