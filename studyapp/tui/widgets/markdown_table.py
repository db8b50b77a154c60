"""A Markdown table as lines: columns as wide as they need to be, cells broken where there is no room, and no cell cut."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from textual.content import Content

from studyapp.evidence.types import Table, format_cell
from studyapp.render.linebreak import ATOM
from studyapp.tui.widgets.markdown_inline import wrapped

GAP = 2
LINE, FAINT = "$foreground 40%", "$foreground 20%"
MOST_UNBROKEN = 16
"""A longer word may be broken before a column gets more room for it."""


@dataclass(frozen=True, slots=True)
class Column:
    """A head and its cells; `right` where they stand to the right."""

    cells: tuple[Content, ...]
    right: bool

    @property
    def whole(self) -> int:
        """Cells in which nothing is broken."""
        return max((cell.cell_length for cell in self.cells), default=1)

    @property
    def least(self) -> int:
        """Cells in which no word is broken."""
        words = (cell_len(m.group().strip()) for cell in self.cells for m in ATOM.finditer(cell.plain))
        return min(MOST_UNBROKEN, max(words, default=1)) or 1


def columns_of(facts: Table) -> list[Column]:
    """A table of facts, its numbers to the right."""
    heads = [Content(str(head)) for head in facts.columns]
    cells = [tuple(Content(format_cell(row[i])) for row in facts.rows) for i in range(len(heads))]
    numeric = [all(isinstance(row[i], int | float) for row in facts.rows) for i in range(len(heads))]
    return [Column((head, *column), right) for head, column, right in zip(heads, cells, numeric, strict=True)]


def table_lines(columns: Sequence[Column], width: int) -> Iterator[Content]:
    """The table, its head first; columns that have no room follow below, beside the first again."""
    for number, part in enumerate(_parts(columns, width)):
        if number:
            yield Content()
        yield from _drawn(part, _widths(part, width))


def _parts(columns: Sequence[Column], width: int) -> Iterator[Sequence[Column]]:
    part: list[Column] = []
    for column in columns:
        if len(part) > 1 and sum(c.least + GAP for c in (*part, column)) - GAP > width:
            yield part
            part = [columns[0]]
        part.append(column)
    yield part


def _widths(columns: Sequence[Column], width: int) -> list[int]:
    """What each needs, where there is room; else the wide ones share what the narrow ones leave."""
    room = width - GAP * (len(columns) - 1)
    wanted, least = [c.whole for c in columns], [c.least for c in columns]
    if sum(wanted) <= room:
        return wanted
    given = list(least)
    while sum(given) > room and max(given) > 1:
        given[given.index(max(given))] -= 1
    while sum(given) < room:
        short = [i for i, (has, wants) in enumerate(zip(given, wanted, strict=True)) if has < wants]
        given[min(short, key=lambda i: given[i])] += 1
    return given


def _drawn(columns: Sequence[Column], widths: Sequence[int]) -> Iterator[Content]:
    rows = [
        [[line.text for line in wrapped(cell, w, 1)] for cell, w in zip(row, widths, strict=True)]
        for row in zip(*(c.cells for c in columns), strict=True)
    ]
    broken = any(len(cell) > 1 for row in rows[1:] for cell in row)
    rule = "─" * (sum(widths) + GAP * (len(widths) - 1))
    for number, row in enumerate(rows):
        if number == 1 or (broken and number):
            yield Content.styled(rule, LINE if number == 1 else FAINT)
        for i in range(max(map(len, row))):
            parts = [cell[i] if i < len(cell) else Content() for cell in row]
            line = Content(" " * GAP).join(map(_placed, parts, widths, (c.right for c in columns))).rstrip()
            yield line.stylize("bold $primary") if not number else line


def _placed(text: Content, width: int, right: bool) -> Content:
    room = max(0, width - text.cell_length)
    return text.pad_left(room) if right else text.pad_right(room)
