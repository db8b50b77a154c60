"""Tables: heads in two lines before anything is cut, the first column whole, two heads never alike."""

from collections.abc import Sequence
from dataclasses import dataclass

from studyapp.evidence.numbers import Cell, number_style, readable
from studyapp.evidence.types import Table
from studyapp.render.chart_text.layout import cut, cut_middle, fit, heading, narrowest, one_line, wrapped

STEPS = ((1, 1, 2), (2, 1, 2), (2, 1, 1), (3, 1, 1), (3, 2, 1), (4, 3, 1))
"""What is given up in turn where a table is too wide: lines of a head, lines of a text, cells between columns."""


@dataclass(frozen=True)
class Column:
    """A column as text; numbers stand to the right and are never broken."""

    head: str
    cells: tuple[str, ...]
    numeric: bool

    def need(self, head_lines: int, cell_lines: int) -> int:
        """The fewest cells in which nothing is cut."""
        lines = 1 if self.numeric else cell_lines
        return max(1, narrowest(self.head, head_lines), *(narrowest(c, lines) for c in self.cells))


def table_text(table: Table, width: int = 76) -> str:
    """`table` with its columns aligned by cell width. Too many columns for `width` follow below, beside the first again."""
    columns = [_column(str(head), [row[i] for row in table.rows]) for i, head in enumerate(table.columns)]
    blocks = [line for block in _blocks(columns, width) for line in ("", *block)][1:]
    return "\n".join([*heading([table.title], width), *blocks])


def _column(head: str, values: Sequence[Cell]) -> Column:
    numeric = bool(values) and all(_is_number(v) for v in values)
    style = number_style(values, head) if numeric else ""
    return Column(one_line(head), tuple(one_line(readable(v, style)) for v in values), numeric)


def _blocks(columns: list[Column], width: int) -> list[list[str]]:
    """The table as it is, or in parts that fit, each with the first column."""
    if not columns:
        return []
    if (plan := _plan(columns, width)) or len(columns) <= 2:
        return [_rows(columns, *(plan or _squeezed(columns, width)))]
    first, rest = columns[0], columns[1:]
    blocks: list[list[Column]] = []
    for column in rest:
        if blocks and _plan([*blocks[-1], column], width):
            blocks[-1].append(column)
        else:
            blocks.append([first, column])
    return [_rows(block, *(_plan(block, width) or _squeezed(block, width))) for block in blocks]


def _plan(columns: list[Column], width: int) -> tuple[list[int], int, int, int] | None:
    """Widths, gap and lines that lose nothing; None where there are none."""
    for head_lines, cell_lines, gap in STEPS:
        widths = [c.need(head_lines, cell_lines) for c in columns]
        if sum(widths) + gap * (len(widths) - 1) <= width:
            return widths, gap, head_lines, cell_lines
    return None


def _squeezed(columns: list[Column], width: int) -> tuple[list[int], int, int, int]:
    """Widths where something has to be cut: the widest give way first."""
    head_lines, cell_lines, gap = STEPS[-1]
    widths = [c.need(head_lines, cell_lines) for c in columns]
    while sum(widths) + gap * (len(widths) - 1) > width and max(widths) > 1:
        widths[widths.index(max(widths))] -= 1
    return widths, gap, head_lines, cell_lines


def _rows(columns: list[Column], widths: list[int], gap: int, head_lines: int, cell_lines: int) -> list[str]:
    heads = _heads(columns, widths, head_lines)
    rows = [_beside(heads, columns, widths, gap, bottom=True), [(" " * gap).join("─" * w for w in widths)]]
    for i in range(max((len(c.cells) for c in columns), default=0)):
        cells = [
            [cut(c.cells[i], w)] if c.numeric else wrapped(c.cells[i], w, cell_lines)
            for c, w in zip(columns, widths, strict=True)
        ]
        rows.append(_beside(cells, columns, widths, gap))
    return [line for row in rows for line in row]


def _heads(columns: list[Column], widths: list[int], most: int) -> list[list[str]]:
    """The heads in lines; two that cutting would make alike show where they differ."""
    heads = [wrapped(c.head, w, most) for c, w in zip(columns, widths, strict=True)]
    for i, head in enumerate(heads):
        same = [j for j, other in enumerate(heads) if other == head and columns[j].head != columns[i].head]
        for j in (*same, i) if same else ():
            heads[j] = _apart(columns[j].head, [columns[k].head for k in (*same, i) if k != j], widths[j])
    return heads


def _apart(head: str, others: list[str], width: int) -> list[str]:
    """One line of `head` from where it first differs from the others."""
    at = max(next((n for n, (a, b) in enumerate(zip(head, o, strict=False)) if a != b), min(len(head), len(o))) for o in others)
    tail = head[max(0, at - max(0, width // 2 - 1)) :]
    return [cut_middle(head, width) if at < width // 2 else cut(f"…{tail}", width)]


def _beside(
    cells: list[list[str]], columns: list[Column], widths: list[int], gap: int, bottom: bool = False
) -> list[str]:
    """Cells of one or more lines side by side, texts from the top, heads down to the rule."""
    height = max(map(len, cells))
    padded = [[""] * (height - len(c)) + c if bottom else c + [""] * (height - len(c)) for c in cells]
    return [
        (" " * gap)
        .join(fit(c[i], w, k.numeric) for c, w, k in zip(padded, widths, columns, strict=True))
        .rstrip()
        for i in range(height)
    ]


def _is_number(value: Cell) -> bool:
    return value is None or value in ("nan", "inf", "-inf") or isinstance(value, int | float)


