"""Heatmaps that are true at zero: blank is exactly 0, and the legend is made by what shades the cells."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from rich.cells import cell_len

from studyapp.evidence.numbers import number, number_style, readable
from studyapp.evidence.types import Heatmap
from studyapp.render.chart_text.layout import cut, fit, heading, one_line, wrapped

ABOVE = "░▒▓█"
BELOW = "-=≡#"
"""From little to much, above zero and below it: they differ without colour too."""
NEARLY_ZERO = "·"
UNKNOWN = "×"
TINY = 1e-3
"""What is smaller than this share of the largest value is hardly more than rounding, and is drawn as a dot."""
SIGNED = 0.1
"""Data are signed where the smaller side reaches this share of the larger one."""
FEW = 8
"""So many columns are all named, in a line of their own where they do not fit below."""
WARM, COLD = 33, 36


@dataclass(frozen=True)
class Step:
    """The values from `low`, itself excluded, to `high` are drawn as `sign`; one value where both are the same."""

    low: float
    high: float
    sign: str


@dataclass(frozen=True)
class Scale:
    """What each value is drawn as, from low to high; exactly 0 is blank where `blank`."""

    steps: tuple[Step, ...]
    blank: bool = True
    style: str = ""
    tiny: float = 0.0
    """Up to here, on either side of 0, a value is a dot."""

    def sign(self, value: float | None) -> str:
        """The shade of a value; «×» for what is no number."""
        if value is None or not (self.steps or value == 0):
            return UNKNOWN
        if value == 0 and self.blank:
            return " "
        if abs(value) <= self.tiny:
            return NEARLY_ZERO
        return next((s.sign for s in self.steps if value <= s.high), self.steps[-1].sign)

    def legend(self, values: Sequence[float], unknown: Sequence[str]) -> list[str]:
        """Each shade with the values that it stands for; blank and dot only where they occur among `values`."""
        entries = [f"{s.sign} {self._bounds(i)}" for i, s in enumerate(self.steps)]
        at = sum(s.high <= 0 for s in self.steps)
        if any(0 < abs(v) <= self.tiny for v in values):
            signed = "±" if any(-self.tiny <= v < 0 for v in values) else "≤ "
            entries.insert(at, f"{NEARLY_ZERO} {signed}{readable(self.tiny)}")
        if self.blank and 0 in values:
            entries.insert(at, "│ │ 0")
        return [*entries, *([f"{UNKNOWN} {', '.join(unknown)}"] if unknown else [])]

    def _bounds(self, place: int) -> str:
        low, high = (readable(v, self.style) for v in (self.steps[place].low, self.steps[place].high))
        if low == high:
            return low
        if self.steps[place].high <= 0:
            return f"≥ {low}"
        return f"{low}…{high}" if place == 0 and self.steps[0].low else f"≤ {high}"


def scale_of(values: Sequence[float]) -> Scale:
    """The scale for all the finite values of a map.

    A few whole numbers have a shade each. Signed data diverge from 0; others begin at 0, or at their lowest where that is
    far from it.
    """
    distinct = sorted({v for v in values if v})
    if not distinct:
        return Scale(())
    low, high = distinct[0], distinct[-1]
    style = number_style([low, high])
    if low > 0 and len(distinct) <= len(ABOVE) and all(v == int(v) for v in distinct):
        shades = {1: "█", 2: "▒█", 3: "░▒█", 4: ABOVE}[len(distinct)]
        return Scale(tuple(Step(v, v, s) for v, s in zip(distinct, shades, strict=True)), True, style)
    if high < 0 or (low < 0 and min(-low, high) >= SIGNED * max(-low, high)):
        reach = max(-low, high)
        above = _steps(0, reach, ABOVE) if high > 0 else ()
        return Scale((*_steps(-reach, 0, BELOW[::-1]), *above), True, style, TINY * reach)
    if low == high:
        return Scale((Step(low, high, ABOVE[-1]),), True, style)
    from_zero = 0 < low <= high / 4
    return Scale(_steps(0 if from_zero else low, high, ABOVE), low > 0, style, TINY * high if from_zero else 0.0)


def _steps(low: float, high: float, signs: str) -> tuple[Step, ...]:
    edges = [low + (high - low) * i / len(signs) for i in range(len(signs))] + [high]
    return tuple(Step(a, b, s) for (a, b), s in zip(pairwise(edges), signs, strict=True))


def heatmap_text(evidence: Heatmap, width: int, colour: bool) -> str:
    """`evidence` as shaded cells with its axes and legend; columns that have no room are joined, the largest standing for all."""
    rows = [[number(v) for v in row] for row in evidence.values]
    known = [v for row in rows for v in row if v is not None]
    unknown = sorted({str(v) for row in evidence.values for v in row if number(v) is None and v is not None})
    scale = scale_of(known)
    names = list(evidence.y) or ([str(i) if i % 5 == 0 else "" for i in range(len(rows))] if len(rows) > 2 else [])
    columns = max((len(row) for row in rows), default=0)
    side = min(max(map(cell_len, names), default=0), max(width // 4, width - 2 * columns - 3))
    edge = side + 2 if side else 1
    room = max(1, width - edge - 1)
    wide = 2 if columns * 2 <= room else 1
    step = max(1, -(-columns * wide // room))
    out = heading([evidence.title], width)
    axes = " · ".join(f"{mark} {one_line(name)}" for mark, name in (("↓", evidence.y_label), ("→", evidence.x_label)) if name)
    out += wrapped(axes, width) if axes else []
    for i, row in enumerate(rows):
        cells = [_largest(row[at : at + step]) for at in range(0, len(row), step)]
        drawn = "".join(_painted(scale.sign(v) * wide, v, scale, colour) for v in cells)
        name = f"{fit(names[i] if i < len(names) else '', side, right=True)} " if side else ""
        out.append(f"{name}│{drawn}│")
    labels = list(evidence.x) or ([str(i) if i % 5 == 0 else "" for i in range(columns)] if columns > 2 else [])
    ticks = _below(labels[::step], wide, room)
    if evidence.x and columns <= FEW and any(one_line(x) not in ticks for x in evidence.x):
        out += wrapped("→ " + " · ".join(map(one_line, evidence.x)), width)
    elif ticks:
        out.append(" " * edge + ticks)
    return "\n".join([*out, *_joined(scale.legend(known, unknown), width)])


def _largest(values: Sequence[float | None]) -> float | None:
    """The value farthest from 0."""
    return max((v for v in values if v is not None), key=abs, default=None)


def _painted(cell: str, value: float | None, scale: Scale, colour: bool) -> str:
    """Above and below 0 in two colours where the data are signed."""
    signed = scale.blank and bool(scale.steps) and scale.steps[0].low < 0
    if not (colour and signed and value):
        return cell
    return f"\x1b[{WARM if value > 0 else COLD}m{cell}\x1b[39m"


def _below(labels: Sequence[str], wide: int, room: int) -> str:
    """The labels of the columns, each beginning under its own; where they would touch, the later gives way."""
    row = ""
    for i, label in enumerate(map(one_line, labels)):
        if label and (not row or i * wide > cell_len(row)) and i * wide + cell_len(label) <= room:
            row += " " * (i * wide - cell_len(row)) + label
    return row


def _joined(entries: Sequence[str], width: int) -> list[str]:
    """Entries side by side in as many rows as they need."""
    rows: list[str] = []
    for entry in (cut(e, width) for e in entries):
        if rows and cell_len(rows[-1]) + 2 + cell_len(entry) <= width:
            rows[-1] += f"  {entry}"
        else:
            rows.append(entry)
    return rows
