"""Heatmaps: white is zero where values have both signs, and grey is what is no number."""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from studyapp.evidence.numbers import number
from studyapp.evidence.types import Heatmap
from studyapp.render.chart_svg.canvas import (
    LINE,
    PAD,
    SOFT,
    WIDTH,
    Canvas,
    lines_of,
    number_text,
    text_width,
)
from studyapp.render.chart_svg.frame import Scale, below, title
from studyapp.render.chart_text.layout import one_line
from studyapp.render.chart_text.ticks import axis

VIRIDIS = ("440154", "482475", "414487", "355f8d", "2a788e", "21918c", "22a884", "44bf70", "7ad151", "bddf26", "fde725")
RED_BLUE = ("053061", "2065ab", "4393c3", "90c4dd", "d1e5f0", "f7f7f7", "fddbc7", "f3a481", "d6604d", "b1182b", "67001f")
"""Eleven colours from low to high: even to the eye and in grey; and, white in the middle, for both signs."""
STEPS = 81
"""Shades that are told apart; an odd number, so that zero has one of its own."""
UNKNOWN = "#ccc"
ASIDE = 0.05
"""Values that reach less far than this share beyond zero are of one sign."""
BAR, CELL, LEAST, MOST, MAX_NAMES, SIDE = 16, 36, 90, 380, 16, 150


@dataclass(frozen=True)
class Shades:
    """The colours from `low` to `high`."""

    low: float
    high: float
    anchors: tuple[str, ...]

    def of(self, value: float | None) -> str:
        """The colour of a value."""
        if value is None:
            return UNKNOWN
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        return self.step(round(min(1.0, max(0.0, share)) * (STEPS - 1)))

    def step(self, step: int) -> str:
        """The colour of one of the STEPS."""
        place = step / (STEPS - 1) * (len(self.anchors) - 1)
        first = min(int(place), len(self.anchors) - 2)
        ends = (bytes.fromhex(self.anchors[first + i]) for i in (0, 1))
        return "#" + "".join(f"{round(a + (b - a) * (place - first)):02x}" for a, b in zip(*ends, strict=True))


def shades(values: Sequence[float]) -> Shades:
    """Diverging from zero where values are of both signs, else from the lowest to the highest."""
    low, high = min(values, default=0.0), max(values, default=0.0)
    edge = max(-low, high)
    return Shades(-edge, edge, RED_BLUE) if min(-low, high) > edge * ASIDE else Shades(low, high, VIRIDIS)


def heatmap(canvas: Canvas, evidence: Heatmap) -> float | None:
    """Draw `evidence` and say how high it is; None where it has no cell."""
    rows = [[number(v) for v in row] for row in evidence.values]
    columns = max(map(len, rows), default=0)
    if not columns:
        return None
    known = [v for row in rows for v in row if v is not None]
    colours = shades(known)
    y = title(canvas, evidence.title)
    across = " · ".join(f"{mark} {one_line(n)}" for mark, n in (("↓", evidence.y_label), ("→", evidence.x_label)) if one_line(n))
    top = canvas.texts(PAD, y, lines_of(across, WIDTH - 2 * PAD), fill=SOFT) + 6
    names = [(lines_of(one_line(n), SIDE, most=1) or [""])[0] for n in _names(evidence.y, len(rows))]
    left = PAD + max(map(text_width, names)) + 6
    scale = axis([colours.low, colours.high], False, 5, grow=True)
    right = WIDTH - PAD - max(map(text_width, scale.labels)) - BAR - 24
    height = min(MOST, max(min(LEAST, len(rows) * CELL), len(rows) * (right - left) / columns))
    cell = ((right - left) / columns, height / len(rows))
    _cells(canvas, rows, colours, left, top, cell)
    every = math.ceil(len(rows) / MAX_NAMES)
    for i in range(0, len(rows), every):
        canvas.text(left - 6, top + (i + 0.5) * cell[1] + 4, names[i], anchor="end")
    _colour_bar(canvas, colours, right + 16, top, height)
    labels = _names(evidence.x, columns)
    every = math.ceil(columns / MAX_NAMES)
    places = [left + (i + 0.5) * cell[0] for i in range(0, columns, every)]
    end = below(canvas, top + height, places, labels[::every], cell[0] * every - 6)
    unknown = sorted({str(v) for row in evidence.values for v in row if number(v) is None and v is not None})
    if unknown:
        canvas.raw(f'<rect x="{PAD}" y="{number_text(end + 4)}" width="12" height="12" fill="{UNKNOWN}"/>')
        end = canvas.texts(PAD + 18, end, lines_of(one_line(", ".join(unknown)), WIDTH - 40, most=2))
    return end + PAD


def _names(given: Sequence[str], count: int) -> list[str]:
    """The names of rows or columns; their numbers where they have none."""
    names = list(given) or [str(i) for i in range(count)] if count > 2 or given else []
    return [*names, *[""] * count][:count]


def _cells(
    canvas: Canvas, rows: Sequence[Sequence[float | None]], colours: Shades, left: float, top: float, cell: tuple[float, float]
) -> None:
    """The cells of one colour as one path, whose unit is a cell."""
    by_colour: dict[str, list[str]] = defaultdict(list)
    for i, row in enumerate(rows):
        j = 0
        painted = [colours.of(v) for v in row]
        while j < len(painted):
            end = j + 1
            while end < len(painted) and painted[end] == painted[j]:
                end += 1
            by_colour[painted[j]].append(f"M{j} {i}h{end - j}v1h-{end - j}z")
            j = end
    placed = f"translate({number_text(left)} {number_text(top)}) scale({cell[0]:.5g} {cell[1]:.5g})"
    canvas.raw(f'<g transform="{placed}" shape-rendering="crispEdges">')
    for colour, paths in sorted(by_colour.items()):
        canvas.path("".join(paths), fill=colour)
    canvas.raw("</g>")


def _colour_bar(canvas: Canvas, colours: Shades, x: float, top: float, height: float) -> None:
    """Which colour is which value."""
    edges = [top + height * (1 - i / STEPS) for i in range(STEPS + 1)]
    canvas.raw('<g shape-rendering="crispEdges">')
    for step, (low, high) in enumerate(pairwise(edges)):
        place = f'x="{number_text(x)}" y="{number_text(high)}" width="{BAR}" height="{number_text(low - high)}"'
        canvas.raw(f'<rect {place} fill="{colours.step(step)}"/>')
    canvas.raw("</g>")
    ticks = axis([colours.low, colours.high], False, 5 if height >= 5 * LINE else 2, grow=True)
    scale = Scale(axis([colours.low, colours.high], False, 2), top + height, top)
    last = math.inf
    for tick, label in zip(ticks.ticks, ticks.labels, strict=True):
        y = scale.at(tick)
        if top - 1 <= y <= top + height + 1 and last - y >= LINE - 2:
            canvas.path(f"M{number_text(x + BAR)} {number_text(y)}h4", stroke=SOFT)
            canvas.text(x + BAR + 7, y + 4, label)
            last = y
