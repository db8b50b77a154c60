"""An SVG document built from texts, lines and shapes, with the room that a text takes.

The reader's own fonts draw the text, so its width is estimated: a little more than DejaVu Sans, the widest of the usual
ones, takes.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from html import escape
from unicodedata import east_asian_width

from studyapp.render.chart_text.layout import wrapped

WIDTH, PAD = 600, 10
"""Of every chart, in pixels at its natural size; it is as high as what it shows needs."""
TITLE, TEXT, LINE = 15, 12, 16
"""Sizes of text, and from one line of text to the next."""
INK, SOFT, GRID, PAPER = "#222", "#555", "#ddd", "#fff"
COLOURS = ("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f")

NARROW, WIDE = frozenset("iljItfr.,:;'|!()[]/ ·-"), frozenset("mwMWOQGDN@%—…+=<>≤≥±×")
NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
CHINESE = re.compile("[\u3400-\u9fff]")


@lru_cache(maxsize=4096)
def text_width(text: str, size: float = TEXT) -> float:
    """The pixels that `text` takes in one line."""
    return size * sum(map(_em, text))


def _em(letter: str) -> float:
    if east_asian_width(letter) in "WF":
        return 1.0
    return 0.4 if letter in NARROW else 0.88 if letter in WIDE else 0.7 if letter.isupper() else 0.63


def lines_of(text: str, width: float, size: float = TEXT, most: int = 0) -> list[str]:
    """`text` in lines of at most `width` pixels; where there would be more than `most`, the last ends in «…»."""
    room = max(2, int(width / size / 0.5))
    while room > 2 and any(text_width(line, size) > width for line in wrapped(text, room, most)):
        room -= max(1, room // 12)
    return wrapped(text, room, most) if text.strip() else []


def number_text(value: float) -> str:
    """A coordinate, to a tenth of a pixel."""
    return f"{value:.1f}".removesuffix(".0").replace("-0", "0" if value > -0.05 else "-0")


class Canvas:
    """Shapes in the order in which they are painted, on white."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._chinese = False

    def text(
        self, x: float, y: float, text: str, *, anchor: str = "start", size: int = TEXT, fill: str = INK, turn: float = 0
    ) -> None:
        """One line of text whose base line is at `y`, turned by so many degrees about its anchor."""
        place = f'x="{number_text(x)}" y="{number_text(y)}"'
        turned = f' transform="rotate({turn:g} {number_text(x)} {number_text(y)})"' if turn else ""
        self._chinese = self._chinese or CHINESE.search(text) is not None
        self._parts.append(
            f'<text {place} font-size="{size}" fill="{fill}" text-anchor="{anchor}"{turned}>{_escaped(text)}</text>'
        )

    def texts(self, x: float, y: float, lines: Sequence[str], **style: object) -> float:
        """Lines of text below each other from `y`, their upper edge; the lower edge of the last."""
        for line in lines:
            y += LINE
            self.text(x, y - 4, line, **style)  # type: ignore[arg-type]
        return y

    def path(self, d: str, *, fill: str = "none", stroke: str = "", width: float = 1, more: str = "") -> None:
        """A path by the letters of SVG."""
        if d:
            drawn = f' stroke="{stroke}" stroke-width="{width:g}"' if stroke else ""
            self._parts.append(f'<path d="{d}" fill="{fill}"{drawn}{more}/>')

    def raw(self, element: str) -> None:
        """An element as it is, of numbers and names made here."""
        self._parts.append(element)

    def document(self, height: float, name: str) -> bytes:
        """The whole as a file; `name` is what a reader hears who does not see it."""
        lang = ' xml:lang="zh-CN"' if self._chinese else ""
        size = f'width="{WIDTH}" height="{number_text(height)}" viewBox="0 0 {WIDTH} {number_text(height)}"'
        head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" role="img"{lang}>'
        paper = f'<rect width="100%" height="100%" fill="{PAPER}"/>'
        title = f"<title>{_escaped(name)}</title>" if name else ""
        return "\n".join([head, title, paper, *self._parts, "</svg>\n"]).encode()


def _escaped(text: str) -> str:
    """`text` as XML may hold it."""
    return escape(NO_XML.sub("\ufffd", text), quote=False)
