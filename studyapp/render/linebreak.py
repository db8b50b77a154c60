"""Where a line of mixed Chinese and Latin may break: at spaces and between Chinese characters, never before a closing mark.

Rich takes a run of Chinese for one word and breaks before it, which leaves ragged lines.
"""

import re
from itertools import pairwise

from rich.cells import cell_len
from rich.cells import chop_cells as chop

CLOSING = "，。、；：？！）》」』】”’…,.;:?!)]}"
OPENING = "（《「『【“‘"
WIDE = "\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef"
SPACE = r" \t\n"  # a no-break space is none
TOGETHER = rf"[^{SPACE}{WIDE}\u00a0]{{1,9}}\u00a0[^{SPACE}]{{1,16}}"  # a key and what it does, also in Chinese
ATOM = re.compile(rf"{TOGETHER}[{SPACE}]*|[{OPENING}]*(?:[{WIDE}]|[^{SPACE}{WIDE}]+)[{re.escape(CLOSING)}]*[{SPACE}]*|[{SPACE}]+")


def divide_line(text: str, width: int, fold: bool = True) -> list[int]:
    """The offsets at which to break `text` so that each line fits into `width` cells."""
    breaks: list[int] = []
    used = 0
    for match in ATOM.finditer(text):
        start, atom = match.start(), match.group()
        size = cell_len(atom.rstrip())
        if used + size > width:
            if start:
                breaks.append(start)
            used = 0
            if size > width and fold:
                *whole, atom = chop(atom, width)
                for piece in whole:
                    start += len(piece)
                    breaks.append(start)
        used += cell_len(atom)
    return breaks


def wrapped(text: str, width: int) -> list[str]:
    """The lines of `text`, none wider than `width` cells."""
    lines = []
    for line in text.splitlines():
        cuts = [0, *divide_line(line, width), len(line)]
        lines += [line[start:end].rstrip() for start, end in pairwise(cuts)]
    return lines or [""]
