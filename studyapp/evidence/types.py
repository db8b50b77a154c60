"""The values a claim leaves behind: what it showed, and what it expected.

Plain numbers and strings only: tensors are turned into them on the way in (by `.tolist()`, so nothing here imports
torch), and numbers that JSON lacks are written as the strings "nan", "inf" and "-inf".
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from studyapp.evidence.numbers import Cell as Cell
from studyapp.evidence.numbers import readable
from studyapp.i18n import Translations

DIGITS = 4


@dataclass(frozen=True)
class Table:
    """Rows under named columns."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    title: str = ""


@dataclass(frozen=True)
class Lines:
    """Named curves over one x axis; `log` is "", "x", "y" or "xy"."""

    x_label: str
    x: tuple[Cell, ...]
    series: Mapping[str, tuple[Cell, ...]]
    log: str = ""
    title: str = ""
    y_label: str = ""


@dataclass(frozen=True)
class Bars:
    """Named groups of bars over labels."""

    labels: tuple[str, ...]
    series: Mapping[str, tuple[Cell, ...]]
    log: str = ""
    title: str = ""
    y_label: str = ""


@dataclass(frozen=True)
class Heatmap:
    """A matrix of values, row by row from the top."""

    values: tuple[tuple[Cell, ...], ...]
    x_label: str = ""
    y_label: str = ""
    x: tuple[str, ...] = ()
    y: tuple[str, ...] = ()
    title: str = ""


Evidence = Table | Lines | Bars | Heatmap
KINDS: dict[str, type[Any]] = {"table": Table, "lines": Lines, "bars": Bars, "heatmap": Heatmap}


@dataclass(frozen=True)
class Check:
    """One expectation and its outcome, at the place where the margin is thinnest.

    `relation` is "equals", "at_least" or "at_most". `margin` is how far `got` may still move before the check breaks,
    in the unit of `got`; negative where it is broken. `place` is ("d", 16) or None. `count` numbers were compared, and
    `failed` of them broke it.
    """

    what: str
    relation: str
    got: Cell
    want: Cell
    within: Cell
    margin: Cell
    held: bool
    place: tuple[str, Cell] | None = None
    count: int = 1
    failed: int = 0

    def sentence(self, t: Translations | None = None) -> str:
        """Say the outcome in the language of `t`: «Var(q·k/√d): 1 of 4 not as expected; worst 8.98 at d = 16, …»."""
        t = t or Translations.load("en")
        digits = self._digits()
        want = _number_text(self.want, digits) + (f" ± {format_cell(self.within)}" if self.within else "")
        place = t("evidence.check_place", name=self.place[0], value=format_cell(self.place[1])) if self.place else ""
        exact = self.held and self.count > 1 and self.got == self.want
        form = "one" if self.count == 1 else "exact" if exact else "many"
        return t(
            f"evidence.check_{form}{'' if self.held else '_broken'}",
            what=self.what,
            got=_number_text(self.got, digits) + place,
            wanted=t(f"evidence.check_{self.relation}", want=want),
            count=self.count,
            failed=self.failed,
        )

    def _digits(self) -> int:
        """As many significant digits as tell what was measured from what was wanted, and from the edges around it."""
        if not isinstance(self.got, int | float) or not isinstance(self.want, int | float):
            return DIGITS
        slack = self.within if isinstance(self.within, int | float) else 0
        edges = {float(e) for e in (self.want, self.want - slack, self.want + slack)} - {float(self.got)}
        for digits in range(DIGITS, 17):
            if all(_number_text(float(self.got), digits) != _number_text(e, digits) for e in edges):
                return digits
        return 17


def format_cell(value: Cell) -> str:
    """A cell as a person reads it: at most four significant digits, thousands apart."""
    return "None" if value is None else readable(value)


def _number_text(value: Cell, digits: int) -> str:
    """A number with more digits than usual, where the usual ones would not tell it from another."""
    if isinstance(value, float) and digits != DIGITS:
        return f"{value:.{digits}g}"
    return format_cell(value)


def to_plain(value: Any) -> Any:
    """Numbers and nested tuples of numbers from tensors, arrays, ranges and lists.

    Raises:
        TypeError: where the value is neither a number, a string nor a sequence of them.
    """
    if hasattr(value, "detach"):
        value = value.detach()
    if hasattr(value, "tolist"):
        value = value.tolist()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, list) and _is_plain(value):
        return tuple(value)
    if isinstance(value, Sequence) or hasattr(value, "__iter__"):
        return tuple(to_plain(v) for v in value)
    raise TypeError(f"evidence takes numbers, strings and sequences of them, not {type(value).__name__}")


def _is_plain(values: list[Any]) -> bool:
    """Whether nothing in a list needs to be changed: many lists are long, and most are."""
    kinds = set(map(type, values))
    return (kinds <= {float} and all(map(math.isfinite, values))) or kinds <= {int, bool, str}


def to_json(item: Evidence | Check) -> dict[str, Any]:
    """A JSON-ready dict; `kind` names the class."""
    kind = "check" if isinstance(item, Check) else next(k for k, t in KINDS.items() if isinstance(item, t))
    return {"kind": kind} | vars(item)


def from_json(data: Mapping[str, Any]) -> Evidence | Check:
    """The value that `to_json` wrote; raises KeyError or TypeError for anything else."""
    fields = {k: _frozen(v) for k, v in data.items() if k != "kind"}
    made: Evidence | Check = (Check if data["kind"] == "check" else KINDS[data["kind"]])(**fields)
    return made


def _frozen(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_frozen(v) for v in value)
    if isinstance(value, dict):
        return {k: _frozen(v) for k, v in value.items()}
    return value


OutcomeState = Literal["held", "broken", "crashed", "skipped"]


def outcome_state(held: bool, error: str | None, skipped: str = "") -> OutcomeState:
    """What a run of a claim came to; «crashed»: it could not be run to its end, which refutes nothing."""
    return "skipped" if skipped else "crashed" if error else "held" if held else "broken"


def exception_line(error: str) -> str:
    """The line of a traceback that names the exception: not a frame, nor what C++ adds below the message."""
    lines = [line for line in error.splitlines() if line.strip()] or [""]
    starts = [i for i, line in enumerate(lines) if line.startswith("Traceback (most recent call last)")]
    after = lines[starts[-1] + 1 :] if starts else lines
    return next((line for line in after if not line.startswith((" ", "\t"))), lines[-1]).strip()


@dataclass(frozen=True)
class Outcome:
    """What running one claim gave.

    `error` says why it could not be judged: its last line in a sentence, above it the traceback where it raised.
    `skipped` is what the machine lacked.
    """

    claim: str
    held: bool
    seconds: float
    checks: tuple[Check, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    error: str = ""
    skipped: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def state(self) -> OutcomeState:
        """What it came to."""
        return outcome_state(self.held, self.error, self.skipped)
