"""Texts made to fit a number of cells: wrapped, cut, padded; and the legend above a chart."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import pairwise

from rich.cells import cell_len, chop_cells, set_cell_size

from studyapp.render.linebreak import ATOM, divide_line

MARKS = ("●", "■", "▲", "◆", "○", "□", "△", "◇")
COLOURS = (36, 33, 35, 32, 34, 31, 96, 93)
"""What tells the series of a chart apart, in this order: a mark, and an ANSI colour that the theme makes its own."""


def painted(text: str, series: int, colour: bool) -> str:
    """`text` in the colour of a series."""
    return f"\x1b[{COLOURS[series % len(COLOURS)]}m{text}\x1b[39m" if colour and text else text


def one_line(text: str) -> str:
    """`text` without line breaks and doubled spaces."""
    return " ".join(text.split())


def cut(text: str, width: int) -> str:
    """`text` in one line of at most `width` cells; what is cut ends in «…»."""
    text = one_line(text)
    return text if cell_len(text) <= width else set_cell_size(text, max(0, width - 1)).rstrip() + "…" * (width > 0)


def cut_middle(text: str, width: int) -> str:
    """`text` in at most `width` cells, with both of its ends."""
    text = one_line(text)
    if cell_len(text) <= width or width < 3:
        return cut(text, width)
    tail = (width - 1) // 2
    end = ""
    for letter in reversed(text):
        if cell_len(letter + end) > tail:
            break
        end = letter + end
    return f"{set_cell_size(text, width - 1 - cell_len(end)).rstrip()}…{end.lstrip()}"


def fit(text: str, width: int, right: bool = False) -> str:
    """`text` cut or padded to exactly `width` cells."""
    short = cut(text, width)
    pad = " " * (width - cell_len(short))
    return pad + short if right else short + pad


def wrapped(text: str, width: int, most: int = 0) -> list[str]:
    """`text` in lines of at most `width` cells; where there would be more than `most`, the last ends in «…»."""
    text = one_line(text)
    edges = [0, *divide_line(text, max(1, width)), len(text)]
    lines = [text[a:b].strip() for a, b in pairwise(edges)]
    lines = [piece for line in lines for piece in (chop_cells(line, max(2, width)) if cell_len(line) > width else [line])]
    if most and len(lines) > most:
        lines = [*lines[: most - 1], cut_middle(" ".join(lines[most - 1 :]), width)]
    return [cut(line, width) for line in lines] or [""]


@lru_cache(maxsize=4096)
def narrowest(text: str, lines: int) -> int:
    """The fewest cells in which `text` takes at most so many lines without a word broken."""
    text = one_line(text)
    least = max((cell_len(word.rstrip()) for word in ATOM.findall(text)), default=0)
    if lines == 1:
        return cell_len(text)
    low, high = max(least, cell_len(text) // lines), cell_len(text)
    while low < high:
        middle = (low + high) // 2
        if len(wrapped(text, middle)) <= lines:
            high = middle
        else:
            low = middle + 1
    return high


def heading(texts: Iterable[str], width: int) -> list[str]:
    """Titles above a chart, each wrapped; none is said twice."""
    return [line for text in dict.fromkeys(filter(None, map(one_line, texts))) for line in wrapped(text, width)]


def legend(names: Sequence[str], label: str, title: str, width: int, colour: bool, scale: str = "") -> list[str]:
    """What the values are, then each series by its mark; `scale` follows the label, such as «(log)».

    Where there is one series its name stands without a mark, if it says more than label and title do.
    """
    title, label = one_line(title), one_line(label)
    if len(names) == 1:
        told = [t for t in dict.fromkeys((label, one_line(names[0]))) if t and t != title]
        line = " · ".join(told)
        return wrapped(f"{line} {scale}" if scale and line else line, width) if line else []
    label = f"{label} {scale}" if scale and label else label
    rows: list[str] = []
    row, used = cut(label, width), cell_len(cut(label, width))
    for i, name in enumerate(names):
        if not one_line(name):
            continue
        short = cut(name, width - 2)
        size = cell_len(short) + 2
        if row and used + size + 2 > width:
            rows.append(row)
            row, used = "", 0
        entry = f"{painted(MARKS[i % len(MARKS)], i, colour)} {short}"
        row, used = (f"{row}  {entry}", used + size + 2) if row else (entry, size)
    return [*rows, row] if row else rows
