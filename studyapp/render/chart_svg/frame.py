"""What charts have in common: title and legend above, and a scale from values to pixels."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from studyapp.render.chart_svg.canvas import (
    COLOURS,
    INK,
    LINE,
    PAD,
    SOFT,
    TEXT,
    TITLE,
    WIDTH,
    Canvas,
    lines_of,
    number_text,
    text_width,
)
from studyapp.render.chart_text.layout import one_line
from studyapp.render.chart_text.ticks import Axis

MARK = 4.2
"""Half the height of the sign of a series."""
MAX_LINES, SLANT, LONGEST = 3, 35, 180.0
"""Of labels under an axis: lines each, degrees of those that have no room side by side, and how long these may be."""
SIGNS = (
    "M{x} {y}m-{r} 0a{r} {r} 0 1 0 {d} 0a{r} {r} 0 1 0 -{d} 0z",
    "M{x} {y}m-{r} -{r}h{d}v{d}h-{d}z",
    "M{x} {y}m0 -{r}l{r} {d}h-{d}z",
    "M{x} {y}m0 -{r}l{r} {r}l-{r} {r}l-{r} -{r}z",
)
"""Circle, square, triangle, diamond: filled for the first four series and hollow for the next."""


@dataclass(frozen=True)
class Scale:
    """Pixels from `start` to `end` for the values of an axis; `end` may be the smaller."""

    axis: Axis
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Where a value of the data stands; one that is not positive has no place on a log axis."""
        return self.at(math.log10(value) if self.axis.log else value)

    def at(self, place: float) -> float:
        """Where a place on the axis, in its own scale, stands."""
        share = (place - self.axis.low) / (self.axis.high - self.axis.low)
        return self.start + share * (self.end - self.start)


def sign(canvas: Canvas, x: float, y: float, series: int) -> None:
    """The mark of a series about a point."""
    d = SIGNS[series % 4].format(x=number_text(x), y=number_text(y), r=MARK, d=2 * MARK)
    colour = COLOURS[series % 8]
    canvas.path(d, fill="#fff" if series % 8 >= 4 else colour, stroke=colour, width=1.5)


def title(canvas: Canvas, text: str) -> float:
    """The title, centred; where what follows begins."""
    y = PAD / 2
    for line in lines_of(one_line(text), WIDTH - 2 * PAD, TITLE):
        y += TITLE + 4
        canvas.text(WIDTH / 2, y - 4, line, anchor="middle", size=TITLE)
    return y + 4


def legend(canvas: Canvas, y: float, names: Sequence[str], label: str, heading: str) -> float:
    """What the values are, then each series by its mark; one alone is named where that says more. The lower edge."""
    names, label = list(map(one_line, names)), one_line(label)
    if len(names) == 1:
        label = " · ".join(t for t in dict.fromkeys((label, names[0])) if t and t != one_line(heading))
        names = []
    x: float = PAD
    if label:
        lines = lines_of(label, WIDTH - 2 * PAD)
        y = canvas.texts(PAD, y, lines, fill=SOFT)
        x = PAD + text_width(lines[-1]) + 18
    else:
        y += LINE if any(names) else 0
    for i, name in enumerate(names):
        if not name:
            continue
        lines = lines_of(name, WIDTH - 2 * PAD - 16)
        if (x > PAD and x + 14 + text_width(lines[0]) > WIDTH - PAD) or (x > PAD and len(lines) > 1):
            x, y = PAD, y + LINE
        sign(canvas, x + MARK, y - 8, i)
        y = canvas.texts(x + 14, y - LINE, lines, fill=INK)
        x += 14 + text_width(lines[-1]) + 18
    return y + 6


def below(canvas: Canvas, y: float, places: Sequence[float], labels: Sequence[str], room: float) -> float:
    """Labels under an axis at `y`, `room` pixels for each; the lower edge.

    Numbers are left out where they would touch; names are wrapped, or slanted where their words have no room.
    """
    texts = list(map(one_line, labels))
    widest = max(map(text_width, texts), default=0.0)
    if widest <= room or all(t[:1] in "-0123456789" for t in texts if t):
        return _numbers_below(canvas, y, places, texts)
    words = max((text_width(word) for text in texts for word in text.split()), default=0.0)
    wrapped = [lines_of(text, room) for text in texts] if words <= room else []
    if wrapped and max(map(len, wrapped)) <= MAX_LINES:
        return max(canvas.texts(x, y + 3, lines, anchor="middle") for x, lines in zip(places, wrapped, strict=True))
    slant = math.radians(SLANT)
    longest = min(widest, LONGEST)
    for x, text in zip(places, texts, strict=True):
        fits = min(longest, (x - 4) / math.cos(slant))  # its beginning stays in the picture
        canvas.text(x + 4, y + TEXT, "".join(lines_of(text, fits, most=1)), anchor="end", turn=-SLANT)
    return y + longest * math.sin(slant) + LINE


def _numbers_below(canvas: Canvas, y: float, places: Sequence[float], texts: Sequence[str]) -> float:
    end = -math.inf
    for x, text in zip(places, texts, strict=True):
        half = text_width(text) / 2
        x = min(max(x, half + 2), WIDTH - half - 2)
        if text and x - half > end + 5:
            canvas.text(x, y + TEXT + 3, text, anchor="middle")
            end = x + half
    return y + LINE + 3


def beside(labels: Sequence[str], left: float) -> float:
    """Where the axis begins, at least at `left`, so that a slanted first label keeps its words."""
    return max(left, min(LONGEST * 0.6, 0.85 * text_width(one_line(labels[0])))) if labels else left
