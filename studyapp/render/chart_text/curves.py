"""Curves: lines by plotext, each with a mark of its own, so that colour is not needed to tell them apart."""

import math
import re
from collections import defaultdict
from collections.abc import Sequence

from rich.cells import cell_len

from studyapp.evidence.numbers import Cell, number
from studyapp.evidence.types import Lines, Table
from studyapp.render.chart_text.layout import COLOURS, MARKS, cut, heading, legend, one_line
from studyapp.render.chart_text.tables import table_text
from studyapp.render.chart_text.ticks import Axis, axis

MAX_TICKS = 6
MAX_MARKS = 12
"""A curve of more points has a mark at every so many."""
CODES = tuple(range(201, 209))
"""plotext's colours of the series; they stand in no other place of its output, and are replaced there."""

Curve = list[tuple[float, float]]


def curves_text(evidence: Lines, width: int, height: int, colour: bool) -> str:
    """`evidence` as curves over one axis; as a table where no value is a finite number."""
    numbers = [number(v) for v in evidence.x]
    named = all(x is None for x in numbers)
    xs = [float(i) for i in range(len(numbers))] if named else numbers
    log_x, log_y = "x" in evidence.log and not named, "y" in evidence.log
    curves = [curve_points(xs, values, log_x, log_y) for values in evidence.series.values()]
    points = [p for curve in curves for p in curve]
    if not points:
        values = tuple(zip(evidence.x, *evidence.series.values(), strict=True))
        return table_text(Table((evidence.x_label, *evidence.series), values, evidence.title), width)
    head = heading([evidence.title], width)
    names = curve_names(list(evidence.series), curves)
    head += legend(names, evidence.y_label, evidence.title, width, colour)
    tail = [cut(evidence.x_label, width).center(width).rstrip()] if one_line(evidence.x_label) else []
    rows_left = max(5, height - len(head) - len(tail))
    x_axis = axis([p[0] for p in points], log_x, max(2, min(MAX_TICKS, width // 12)), evidence.x_label)
    if named:
        shown = sorted({p[0] for p in points})
        x_axis = Axis(x_axis.low, x_axis.high, tuple(shown), tuple(str(evidence.x[int(i)]) for i in shown))
    y_axis = axis(
        [p[1] for p in points], log_y, max(2, min(5, (rows_left - 1) // 2)), evidence.y_label, grow=True
    )
    scaled = [[(_scaled(x, log_x), _scaled(y, log_y)) for x, y in curve] for curve in curves]
    rows = _drawn(scaled, x_axis, y_axis, width, rows_left, len(curves) > 1)
    body = [_own_colours(row, colour) for row in rows]
    return "\n".join([*head, *body, *_tick_row(rows[-1], x_axis.labels, width), *tail])


def curve_points(xs: Sequence[float | None], values: Sequence[Cell], log_x: bool, log_y: bool) -> Curve:
    """The points of a series that can be drawn."""
    pairs = zip(xs, map(number, values), strict=True)
    known = [(x, y) for x, y in pairs if x is not None and y is not None]
    return [(x, y) for x, y in known if not ((log_x and x <= 0) or (log_y and y <= 0))]


def _scaled(value: float, log: bool) -> float:
    return math.log10(value) if log else value


def curve_names(names: list[str], curves: list[Curve]) -> list[str]:
    """The names of the curves; one that lies on another says on which."""
    told = list(names)
    for i, curve in enumerate(curves):
        same = next((j for j in range(i) if curve and _equal(curve, curves[j])), None)
        if same is not None and one_line(names[i]):
            told[i] = f"{names[i]} (= {MARKS[same % len(MARKS)]})"
    return told


def _equal(one: Curve, other: Curve) -> bool:
    return len(one) == len(other) and all(
        a[0] == b[0] and math.isclose(a[1], b[1], rel_tol=1e-9, abs_tol=1e-12) for a, b in zip(one, other, strict=True)
    )


def _drawn(curves: list[Curve], x_axis: Axis, y_axis: Axis, width: int, height: int, marked: bool) -> list[str]:
    """The rows of plotext's canvas and its axes, without labels below."""
    import plotext

    figure = plotext.figure
    figure.clear()
    plotext.terminal.limit(False, False)
    figure.plot_size(width, height)
    figure.axes(False, side="upper", axis="x")
    figure.axes(False, side="right", axis="y")
    canvas = (max(1, width - max(map(cell_len, y_axis.labels)) - 2), max(1, height - 2))
    for i, curve in enumerate(curves):
        _signal(figure, curve, plotext.marker("braille", plotext.pixel(CODES[i % 8])), joined=len(curve) > 1)
    if marked:
        for i, places in _marked(curves, x_axis, y_axis, canvas).items():
            _signal(figure, places, plotext.marker(MARKS[i % 8], plotext.pixel(CODES[i % 8])), joined=False)
    for name, one in (("x", x_axis), ("y", y_axis)):
        ruler = figure.ruler(name)
        ruler.lim(one.low, one.high)
        ruler.ticks(list(one.ticks), ["x" for _ in one.ticks] if name == "x" else list(one.labels))
    drawn: str = figure.build().string()
    figure.clear()
    return drawn.rstrip("\n").splitlines()[:-1]


def _signal(figure: object, points: Curve, marker: object, joined: bool) -> None:
    if points:
        signal = figure.signal([p[0] for p in points], [p[1] for p in points], marker=marker)  # type: ignore[attr-defined]
        signal.lines(joined)
        figure.draw(signal)  # type: ignore[attr-defined]


def _marked(curves: list[Curve], x_axis: Axis, y_axis: Axis, canvas: tuple[int, int]) -> dict[int, Curve]:
    """Where each curve has its marks. Curves that meet in a cell take turns there, so none hides another."""
    cells: dict[tuple[int, int], list[tuple[int, tuple[float, float]]]] = defaultdict(list)
    for i, curve in enumerate(curves):
        step = -(-len(curve) // MAX_MARKS)
        for point in curve[(i * step) // max(1, len(curves)) :: max(1, step)] if step > 1 else curve:
            column = round((point[0] - x_axis.low) / (x_axis.high - x_axis.low) * (canvas[0] - 1))
            row = round((point[1] - y_axis.low) / (y_axis.high - y_axis.low) * (canvas[1] - 1))
            cells[column, row].append((i, point))
    marks: dict[int, Curve] = defaultdict(list)
    had: dict[tuple[int, ...], int] = defaultdict(int)
    for _, met in sorted(cells.items()):
        group = tuple(sorted({i for i, _ in met}))
        turn = group[had[group] % len(group)]
        had[group] += 1
        marks[turn].append(next(point for i, point in met if i == turn))
    return marks


def _own_colours(row: str, colour: bool) -> str:
    """plotext's row on the terminal's own ground and in the colours of the legend."""

    def change(match: re.Match[str]) -> str:
        kind, code = match.groups()
        if kind == "48" or not colour:
            return ""
        return f"\x1b[{COLOURS[CODES.index(int(code))]}m" if int(code) in CODES else "\x1b[39m"

    plain = re.sub(r"\x1b\[0m", "", re.sub(r"\x1b\[(38|48);5;(\d+)m", change, row))
    return re.sub(r"[ ]+$", "", plain) + ("\x1b[39m" if colour and "\x1b" in plain else "")


def _tick_row(axis_row: str, labels: Sequence[str], width: int) -> list[str]:
    """The labels below the axis, each under its tick; where they would touch, the later gives way."""
    bare = re.sub(r"\x1b\[[0-9;]*m", "", axis_row)
    places = [at for at, letter in enumerate(bare) if letter in "┬┴┼"]
    row = ""
    for at, label in zip(places, map(one_line, labels), strict=False):
        start = max(0, min(at - cell_len(label) // 2, width - cell_len(label)))
        if not row or start > cell_len(row):
            row += " " * (start - cell_len(row)) + label
    return [cut(row, width) if cell_len(row) > width else row] if row else []
