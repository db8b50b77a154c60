"""Bars that lie, so that their labels are read, each with its number at its end."""

import math
from collections.abc import Sequence

from studyapp.evidence.numbers import number, number_style, readable
from studyapp.evidence.types import Bars
from studyapp.render.chart_svg.canvas import (
    COLOURS,
    LINE,
    PAD,
    WIDTH,
    Canvas,
    lines_of,
    number_text,
    text_width,
)
from studyapp.render.chart_svg.frame import MARK, Scale, legend, sign, title
from studyapp.render.chart_text.layout import one_line
from studyapp.render.chart_text.ticks import Axis

THICK, GAP, SIDE = 15, 8, 190
"""A bar, what parts the bars of one label from the next, and the most that labels take."""


def bars(canvas: Canvas, evidence: Bars) -> float | None:
    """Draw `evidence` and say how high it is; None where there are no bars."""
    series = list(evidence.series.values())
    if not evidence.labels or not series:
        return None
    log = "y" in evidence.log
    rows = [[number(v) for v in column] for column in series]
    known = [v for column in rows for v in column if v is not None and (v > 0 or not log)]
    label = evidence.y_label + (" (log)" if log and one_line(evidence.y_label) else "")
    y = legend(canvas, title(canvas, evidence.title), list(evidence.series), label, evidence.title)
    style = number_style([v for column in series for v in column], _measured(evidence))
    texts = [[one_line(readable(v, style)) for v in column] for column in series]
    texts = [["".join(lines_of(t, 120, most=1)) for t in column] for column in texts]
    labels = [lines_of(one_line(name), SIDE) for name in evidence.labels]
    left = PAD + max((text_width(line) for lines in labels for line in lines), default=0) + 8
    marks = 2 * MARK + 6 if len(series) > 1 else 0
    ends = max(text_width(t) for column in texts for t in column) + 6
    low = min([*known, 0.0])
    scale = _scale(known, log, left + marks + (ends if low < 0 else 0), WIDTH - PAD - ends)
    zero = scale.start if log else scale(0.0)
    first = y
    for i, lines in enumerate(labels):
        high = max(len(series) * THICK, len(lines) * LINE)
        canvas.texts(left - 8, y + (high - len(lines) * LINE) / 2, lines, anchor="end")
        at = y + (high - len(series) * THICK) / 2
        for j, column in enumerate(rows):
            _bar(canvas, j, column[i], texts[j][i], scale, zero, at)
            if marks:
                sign(canvas, left + MARK, at + THICK / 2, j)
            at += THICK
        y += high + GAP
    canvas.path(f"M{number_text(zero)} {number_text(first - 3)}V{number_text(y - GAP + 3)}", stroke="#888")
    return y - GAP + PAD


def _measured(evidence: Bars) -> str:
    """What the numbers are, as far as the evidence says so."""
    alone = next(iter(evidence.series)) if len(evidence.series) == 1 else ""
    return evidence.y_label or alone or evidence.title


def _scale(known: Sequence[float], log: bool, start: float, end: float) -> Scale:
    """From 0, or on a log scale from a power of ten below the least."""
    if not log:
        low, high = min([*known, 0.0]), max([*known, 0.0])
        return Scale(Axis(low, high if high > low else low + 1, (), ()), start, end)
    floor = math.floor(math.log10(min(known))) - 1 if known else -1
    top = math.log10(max(known)) if known else 0
    return Scale(Axis(floor, top, (), (), log=True), start, end)


def _bar(canvas: Canvas, series: int, value: float | None, text: str, scale: Scale, zero: float, y: float) -> None:
    x = zero
    if value is not None and (value > 0 or not scale.axis.log):
        x = scale(value)
        place = f'x="{number_text(min(zero, x))}" y="{number_text(y + 1)}"'
        size = f'width="{number_text(abs(x - zero))}" height="{THICK - 2}"'
        canvas.raw(f'<rect {place} {size} fill="{COLOURS[series % 8]}"/>')
    back = value is not None and value < 0 and not scale.axis.log
    canvas.text(x - 4 if back else x + 4, y + THICK - 3, text, anchor="end" if back else "start")
