"""Bars with their numbers; each series has its mark before its bar."""

import math

from rich.cells import cell_len

from studyapp.evidence.numbers import number, number_style, readable
from studyapp.evidence.types import Bars
from studyapp.render.chart_text.layout import MARKS, cut, fit, heading, legend, painted

EIGHTHS = " ▏▎▍▌▋▊▉"
LEAST = 10
"""A bar keeps so many cells before the labels are cut."""


def bars_text(evidence: Bars, width: int, colour: bool) -> str:
    """`evidence` as horizontal bars; a negative one is hatched, and on a log scale the label says so."""
    series = list(evidence.series.items())
    log = "y" in evidence.log
    sizes = [abs(v) for _, column in series for v in map(number, column) if v is not None and (v or not log)]
    style = number_style([v for _, column in series for v in column], evidence.y_label or evidence.title)
    texts = [[cut(readable(v, style), max(4, width // 3)) for v in column] for _, column in series]
    out = heading([evidence.title], width)
    out += legend([n for n, _ in series], evidence.y_label, evidence.title, width, colour, "(log)" if log else "")
    numbers = max((cell_len(t) for column in texts for t in column), default=1)
    side = min(max(map(cell_len, evidence.labels), default=0), max(width // 3, width - numbers - LEAST - 4))
    room = max(1, width - side - numbers - 4)
    top = max(sizes, default=0.0)
    floor = 10 ** (math.floor(math.log10(min(sizes))) - 1) if log and sizes else 0.0
    for i, name in enumerate(evidence.labels):
        for j, (_, column) in enumerate(series):
            value = number(column[i])
            share = 0.0 if value is None or not top else _share(abs(value), floor, top)
            bar = _bar(share * room, hatched=value is not None and value < 0)
            edge = "│" if len(series) == 1 else painted(MARKS[j % len(MARKS)], j, colour)
            head = fit(name if j == 0 else "", side, right=True)
            out.append(f"{head} {edge}{painted(bar, j, colour)} {texts[j][i]}".rstrip())
    return "\n".join(out)


def _share(value: float, floor: float, top: float) -> float:
    """How much of the room a value takes; `floor` is where a log scale begins, 0 on a linear one."""
    if not floor:
        return value / top
    low, high = math.log(floor), math.log(top)
    return (math.log(value) - low) / (high - low) if value > floor and high > low else 0.0


def _bar(cells: float, hatched: bool) -> str:
    if hatched:
        return "▒" * max(1, round(cells))
    eighths = round(cells * 8)
    return "█" * (eighths // 8) + EIGHTHS[eighths % 8].strip()
