"""Curves over one axis, each with a mark of its own, so that colour is not needed to tell them apart."""

import math
from collections.abc import Sequence

from studyapp.evidence.numbers import Cell, number
from studyapp.evidence.types import Lines
from studyapp.render.chart_svg.canvas import (
    COLOURS,
    GRID,
    PAD,
    SOFT,
    WIDTH,
    Canvas,
    lines_of,
    number_text,
    text_width,
)
from studyapp.render.chart_svg.frame import Scale, below, beside, legend, sign, title
from studyapp.render.chart_text.curves import curve_names, curve_points
from studyapp.render.chart_text.layout import one_line
from studyapp.render.chart_text.ticks import Axis, axis

HEIGHT, MAX_MARKS, X_TICKS, Y_TICKS = 230, 40, 8, 7

Point = tuple[float, float]


def curves(canvas: Canvas, evidence: Lines) -> float | None:
    """Draw `evidence` and say how high it is; None where it holds no finite number."""
    numbers = [number(v) for v in evidence.x]
    named = all(x is None for x in numbers)
    xs = [float(i) for i in range(len(numbers))] if named else numbers
    log_x, log_y = "x" in evidence.log and not named, "y" in evidence.log
    drawn = [curve_points(xs, values, log_x, log_y) for values in evidence.series.values()]
    points = [p for curve in drawn for p in curve]
    if not points:
        return None
    y = title(canvas, evidence.title)
    logs = " (log)" if log_y and one_line(evidence.y_label) else ""
    top = legend(canvas, y, curve_names(list(evidence.series), drawn), evidence.y_label + logs, evidence.title) + 4
    bottom = top + HEIGHT
    y_axis = axis([p[1] for p in points], log_y, Y_TICKS, evidence.y_label, grow=True)
    left = PAD + max(map(text_width, y_axis.labels)) + 8
    x_axis = _x_axis(evidence, points, log_x, named)
    left = beside(x_axis.labels, left) if named else left
    x_scale, y_scale = Scale(x_axis, left + 10, WIDTH - PAD - 8), Scale(y_axis, bottom - 6 * log_y, top + 6)
    _grid(canvas, x_scale, y_scale, left, top, bottom)
    for i, values in enumerate(evidence.series.values()):
        _curve(canvas, i, _runs(xs, values, log_x, log_y), x_scale, y_scale, len(drawn) > 1)
    places = [x_scale.at(t) for t in x_axis.ticks]
    end = below(canvas, bottom, places, x_axis.labels, (WIDTH - left) / max(1, len(places)) - 8)
    label = one_line(evidence.x_label) + (" (log)" if log_x and one_line(evidence.x_label) else "")
    lines = lines_of(label, WIDTH - left - 2 * PAD)
    return canvas.texts((left + WIDTH) / 2, end, lines, anchor="middle", fill=SOFT) + PAD


def _x_axis(evidence: Lines, points: Sequence[Point], log: bool, named: bool) -> Axis:
    made = axis([p[0] for p in points], log, X_TICKS, evidence.x_label)
    if not named:
        return made
    shown = sorted({p[0] for p in points})
    shown = shown[:: math.ceil(len(shown) / (2 * X_TICKS))]
    return Axis(made.low, made.high, tuple(shown), tuple(str(evidence.x[int(i)]) for i in shown))


def _grid(canvas: Canvas, x_scale: Scale, y_scale: Scale, left: float, top: float, bottom: float) -> None:
    """The axes with their ticks, and a light line at each."""
    right = WIDTH - PAD
    across = "".join(f"M{number_text(left)} {number_text(y_scale.at(t))}H{right}" for t in y_scale.axis.ticks)
    up = "".join(f"M{number_text(x_scale.at(t))} {number_text(bottom)}V{number_text(top)}" for t in x_scale.axis.ticks)
    canvas.path(across + up, stroke=GRID)
    for tick, label in zip(y_scale.axis.ticks, y_scale.axis.labels, strict=True):
        canvas.text(left - 6, y_scale.at(tick) + 4, label, anchor="end")
    canvas.path(f"M{number_text(left)} {number_text(top)}V{number_text(bottom)}H{right}", stroke=SOFT)


def _runs(xs: Sequence[float | None], values: Sequence[Cell], log_x: bool, log_y: bool) -> list[list[Point]]:
    """The points of a curve in stretches without a gap: what is no number, or has no place on a log axis, breaks it."""
    runs: list[list[Point]] = [[]]
    for x, value in zip(xs, values, strict=True):
        point = curve_points([x], [value], log_x, log_y)
        if point:
            runs[-1] += point
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _curve(
    canvas: Canvas, series: int, runs: Sequence[Sequence[Point]], x_scale: Scale, y_scale: Scale, several: bool
) -> None:
    """One curve, with a mark at every point where they are few, at some where they tell it from others, else at points alone."""
    places = [[(x_scale(x), y_scale(y)) for x, y in run] for run in runs]
    d = "".join("M" + "L".join(f"{number_text(x)} {number_text(y)}" for x, y in run) for run in places if len(run) > 1)
    canvas.path(d, stroke=COLOURS[series % 8], width=1.8, more=' stroke-linejoin="round"')
    flat = [p for run in places for p in run]
    every = 1 if len(flat) <= MAX_MARKS else math.ceil(len(flat) / 12)
    marked = flat[(series * every // 8) % every :: every] if several or every == 1 else []
    for x, y in dict.fromkeys([*marked, *(run[0] for run in places if len(run) == 1)]):
        sign(canvas, x, y, series)
