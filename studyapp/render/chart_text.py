"""Evidence as text for the terminal: curves by plotext, bars, heatmaps and tables by hand.

Every row is as wide in cells as it looks, also with Chinese in it: plotext counts characters, so titles, legends and labels
are written here, outside its canvas. plotext keeps one figure for the whole process: call this from one thread.
"""

import math
import re
from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size

from studyapp.evidence.types import Bars, Cell, Evidence, Heatmap, Lines, Table, format_cell

SHADES = " ░▒▓█"
EIGHTHS = " ▏▎▍▌▋▊▉"
MARKS = ("●", "■", "▲", "◆", "○", "□", "△", "◇")
COLOURS = (36, 33, 35, 32, 34, 31, 96, 93)
MAX_TICKS = 6


def chart(evidence: Evidence, width: int, height: int, *, colour: bool = True) -> str:
    """`evidence` in at most `width` cells; curves are `height` rows high; ANSI colours unless `colour` is False."""
    match evidence:
        case Lines():
            return _lines(evidence, width, height, colour)
        case Bars():
            return _bars(evidence, width, colour)
        case Heatmap():
            return _heatmap(evidence, width)
        case _:
            return table_text(evidence, width)


def table_text(table: Table, width: int = 76) -> str:
    """`table` with its columns aligned by cell width, numbers to the right; what is wider than `width` is cut."""
    rows = [tuple(map(str, table.columns)), *(tuple(map(_cell, row)) for row in table.rows)]
    widths = [max(cell_len(row[i]) for row in rows) for i in range(len(table.columns))]
    gap = 2 if 5 * len(widths) <= width else 1
    while sum(widths) + gap * (len(widths) - 1) > width and max(widths, default=0) > 1:
        widths[widths.index(max(widths))] -= 1
    right = [bool(table.rows) and all(_is_number(row[i]) for row in table.rows) for i in range(len(widths))]
    lines = [
        (" " * gap).join(_fit(c, w, r) for c, w, r in zip(row, widths, right, strict=True)).rstrip() for row in rows
    ]
    rule = (" " * gap).join("─" * w for w in widths)
    return "\n".join([*([_cut(table.title, width)] if table.title else []), lines[0], rule, *lines[1:]])


def number(value: Cell) -> float | None:
    """`value` as a finite number, or None where it is none."""
    if isinstance(value, bool | int | float) and math.isfinite(value):
        return float(value)
    return None


def _lines(evidence: Lines, width: int, height: int, colour: bool) -> str:
    import plotext

    xs = [number(v) for v in evidence.x]
    named = all(x is None for x in xs)
    positions = [float(i) for i in range(len(xs))] if named else xs
    log_x, log_y = "x" in evidence.log and not named, "y" in evidence.log
    curves = []
    for values in evidence.series.values():
        ys = [number(v) for v in values]
        pairs = [(x, y) for x, y in zip(positions, ys, strict=True) if x is not None and y is not None]
        curves.append(
            [(_scaled(x, log_x), _scaled(y, log_y)) for x, y in pairs if not ((log_x and x <= 0) or (log_y and y <= 0))]
        )
    points = [p for curve in curves for p in curve]
    if not points:
        return table_text(
            Table(
                (evidence.x_label, *evidence.series),
                tuple(zip(evidence.x, *evidence.series.values(), strict=True)),
                evidence.title,
            ),
            width,
        )
    head = [_cut(evidence.title, width)] if evidence.title else []
    if len(evidence.series) > 1 or evidence.y_label or any(evidence.series):
        head += _legend(list(evidence.series), evidence.y_label, width, colour)
    tail = [_cut(evidence.x_label, width).center(width).rstrip()] if evidence.x_label else []
    figure = plotext.figure
    figure.clear()
    plotext.terminal.limit(False, False)
    figure.plot_size(width, max(5, height - len(head) - len(tail)))
    for i, curve in enumerate(curves):
        if curve:
            signal = figure.signal(
                [p[0] for p in curve], [p[1] for p in curve], marker=None if colour else MARKS[i % 8]
            )
            signal.lines(len(curve) > 1)
            figure.draw(signal)
    shown = sorted({p[0] for p in points})
    labels = {float(i): str(v) for i, v in enumerate(evidence.x)} if named else {}
    ticks = shown if len(shown) <= MAX_TICKS else _spread(shown[0], shown[-1])
    if named:
        ticks = [t for t in shown if cell_len(labels[t]) == len(labels[t])][:MAX_TICKS]
    figure.ruler("x").ticks(ticks, [labels.get(t) or format_cell(_back(t, log_x)) for t in ticks])
    low, high = min(p[1] for p in points), max(p[1] for p in points)
    marks = _spread(low, high) if high > low else [low]
    figure.ruler("y").ticks(marks, [format_cell(_back(t, log_y)) for t in marks])
    drawn: str = figure.build().string(colorless=not colour)
    figure.clear()
    body = [_cut_ansi(row) for row in drawn.rstrip("\n").splitlines()]
    return "\n".join([*head, *body, *tail])


def _bars(evidence: Bars, width: int, colour: bool) -> str:
    series = list(evidence.series.items())
    values = [v for _, column in series for v in map(number, column) if v is not None]
    usable = [abs(v) for v in values if v] if "y" in evidence.log else [abs(v) for v in values]
    out = [_cut(evidence.title, width)] if evidence.title else []
    if evidence.y_label or any(name for name, _ in series):
        out += _legend([name for name, _ in series], evidence.y_label, width, colour)
    side = min(max(map(cell_len, evidence.labels), default=0), width // 3)
    numbers = max((cell_len(_cut(_cell(v), width // 3)) for _, column in series for v in column), default=1)
    room = max(1, width - side - numbers - 4)
    top = max(usable, default=0.0)
    floor = 10 ** (math.floor(math.log10(min(usable))) - 1) if "y" in evidence.log and usable else 0.0
    for i, label in enumerate(evidence.labels):
        for j, (_, column) in enumerate(series):
            value = number(column[i])
            share = 0.0 if value is None or not top else _share(abs(value), floor, top)
            bar = _bar(share * room)
            painted = f"\x1b[{COLOURS[j % 8]}m{bar}\x1b[39m" if colour and bar else bar
            out.append(
                f"{_fit(label if j == 0 else '', side, True)} │{painted} {_cut(_cell(column[i]), width // 3)}".rstrip()
            )
    return "\n".join(out)


def _heatmap(evidence: Heatmap, width: int) -> str:
    values = [[number(v) for v in row] for row in evidence.values]
    known = [v for row in values for v in row if v is not None]
    low, high = min(known, default=0.0), max(known, default=0.0)
    columns = max((len(row) for row in values), default=0)
    side = max(map(cell_len, evidence.y), default=0)
    side = min(side, width // 4)
    room = width - side - 2
    wide = 2 if columns * 2 <= room else 1
    step = max(1, -(-columns * wide // max(1, room)))
    out = [_cut(evidence.title, width)] if evidence.title else []
    axes = " · ".join(f"{mark} {name}" for mark, name in (("↓", evidence.y_label), ("→", evidence.x_label)) if name)
    out += [_cut(axes, width)] if axes else []
    for i, row in enumerate(values):
        name = evidence.y[i] if i < len(evidence.y) else ""
        cells = "".join(_shade(v, low, high) * wide for v in row[::step])
        out.append(f"{_fit(name, side, True)} │{cells}│" if side else f"│{cells}│")
    if evidence.x:
        names = f"{evidence.x[0]} … {evidence.x[-1]}" if len(evidence.x) > 1 else evidence.x[0]
        out.append(_cut(" " * (side + 2 if side else 1) + names, width))
    out.append(_cut(f"{SHADES[1]} {format_cell(low)}  {SHADES[-1]} {format_cell(high)}", width))
    return "\n".join(out)


def _legend(names: Sequence[str], y_label: str, width: int, colour: bool) -> list[str]:
    y_label = _cut(y_label, width)
    rows, row, used = [], y_label, cell_len(y_label)
    for i, name in enumerate(names):
        if not name:
            continue
        mark = f"\x1b[{COLOURS[i % 8]}m━\x1b[39m" if colour else MARKS[i % 8]
        name = _cut(name, width - 2)
        size = cell_len(name) + 2
        if row and used + size + 2 > width:
            rows.append(row)
            row, used = "", 0
        row, used = (f"{row}  {mark} {name}", used + size + 2) if row else (f"{mark} {name}", size)
    return [*rows, row] if row else rows


def _cut_ansi(row: str) -> str:
    """plotext's row in the terminal's own background and in the colours of the legend."""
    order = ("12", "10", "9", "14", "11", "13", "3", "5")

    def change(match: re.Match[str]) -> str:
        kind, code = match.groups()
        if kind == "48":
            return ""
        return f"\x1b[{COLOURS[order.index(code)]}m" if code in order else "\x1b[39m"

    return re.sub(r"\x1b\[(38|48);5;(\d+)m", change, row)


def _spread(low: float, high: float) -> list[float]:
    return [low + (high - low) * i / 4 for i in range(5)]


def _scaled(value: float, log: bool) -> float:
    return math.log10(value) if log else value


def _back(value: float, log: bool) -> float:
    return float(10**value) if log else value


def _share(value: float, floor: float, top: float) -> float:
    if not floor:
        return value / top
    low, high = math.log(floor), math.log(top)
    return (math.log(value) - low) / (high - low) if value > floor else 0.0


def _bar(cells: float) -> str:
    eighths = round(cells * 8)
    return "█" * (eighths // 8) + EIGHTHS[eighths % 8].strip()


def _shade(value: float | None, low: float, high: float) -> str:
    if value is None:
        return "·"
    return SHADES[-1] if high == low else SHADES[round((value - low) / (high - low) * (len(SHADES) - 1))]


def _cell(value: Cell) -> str:
    return "" if value is None else " ".join(format_cell(value).split())


def _is_number(value: Cell) -> bool:
    return value is None or value in ("nan", "inf", "-inf") or isinstance(value, int | float)


def _cut(value: str, width: int) -> str:
    value = " ".join(value.split())
    return value if cell_len(value) <= width else set_cell_size(value, max(0, width - 1)).rstrip() + "…"


def _fit(value: str, width: int, right: bool) -> str:
    cut = _cut(value, width)
    pad = " " * (width - cell_len(cut))
    return pad + cut if right else cut + pad
