"""How much of what a demo shows is drawn: a screen holds no more, and drawing more would keep the app from answering."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from studyapp.evidence.types import Bars, Cell, Evidence, Heatmap, Lines, Table

CURVES, POINTS, BARS, SIDE, ROWS, COLUMNS, LETTERS = 24, 4000, 400, 200, 2000, 64, 2000


def limited(item: Evidence) -> Evidence:
    """`item` with at most as much as can be drawn at once; what was cut is told in its title: «… 24 / 2000».

    The first curves, bars, rows and columns stay; of more points and cells every so many does, so that the shape stays.
    """
    cuts: list[str] = []

    def first(values: Sequence[Any], most: int) -> tuple[Any, ...]:
        if len(values) > most:
            cuts.append(f"{most} / {len(values)}")
        return tuple(values[:most])

    def every(values: Sequence[Any], most: int) -> tuple[Any, ...]:
        step = -(-len(values) // most) or 1
        return tuple(values[::step])

    def series(given: Mapping[str, tuple[Cell, ...]], most: int, cut: Any) -> dict[str, tuple[Cell, ...]]:
        return {_short(name): cut(given[name], most) for name in first(list(given), CURVES)}

    match item:
        case Lines():
            if len(item.x) > POINTS:
                cuts.append(f"{len(every(item.x, POINTS))} / {len(item.x)}")
            x = every(item.x, POINTS)
            made: Evidence = replace(item, x=_cells(x), series=series(item.series, POINTS, every), x_label=_short(item.x_label),
                                     y_label=_short(item.y_label))  # fmt: skip
        case Bars():
            labels = tuple(map(_short, first(item.labels, BARS)))
            made = replace(
                item, labels=labels, series=series(item.series, BARS, lambda v, n: tuple(v[:n])), y_label=_short(item.y_label)
            )
        case Heatmap():
            wide = max(map(len, item.values), default=0)
            if max(len(item.values), wide) > SIDE:
                cuts.append(f"{SIDE} / {max(len(item.values), wide)}")
            rows, columns = (-(-size // SIDE) or 1 for size in (len(item.values), wide))
            made = replace(
                item,
                values=tuple(row[::columns] for row in item.values[::rows]),
                x=tuple(map(_short, item.x[::columns])),
                y=tuple(map(_short, item.y[::rows])),
                x_label=_short(item.x_label),
                y_label=_short(item.y_label),
            )
        case Table():
            columns = len(first(item.columns, COLUMNS))
            body = tuple(_cells(row[:columns]) for row in first(item.rows, ROWS))
            made = replace(item, columns=tuple(map(_short, item.columns[:columns])), rows=body)
    title = " ".join(filter(None, (_short(made.title), f"… {', '.join(cuts)}" if cuts else "")))
    return replace(made, title=title)


def _cells(values: Sequence[Cell]) -> tuple[Cell, ...]:
    return tuple(_short(v) if isinstance(v, str) else v for v in values)


def _short(text: str) -> str:
    return text if len(text) <= LETTERS else text[: LETTERS - 1] + "…"
