"""A text of the bank in one widget, however long: Markdown, headings, marked sentences and tables under one another."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual.content import Content
from textual.events import MouseMove
from textual.selection import Selection

from studyapp.evidence.types import Table
from studyapp.tui.widgets.drawn import DrawnText, joined
from studyapp.tui.widgets.markdown_inline import Line, hanging
from studyapp.tui.widgets.markdown_lines import BLANK, markdown_lines
from studyapp.tui.widgets.markdown_table import columns_of, table_lines

INDENT = 4


@dataclass(frozen=True)
class Markdown:
    """A text of Markdown: displayed maths drawn in two dimensions, nothing read as Textual's markup."""

    text: str

    def lines(self, width: int, as_tex: bool) -> Sequence[Line]:
        """Its lines at a width."""
        return markdown_lines(self.text, width, as_tex)


@dataclass(frozen=True)
class Heading:
    """A line over what follows."""

    text: str

    def lines(self, width: int, as_tex: bool) -> Sequence[Line]:
        """Its lines at a width."""
        return [Line(line.text.stylize("bold $accent")) for line in hanging("", Content(self.text), width, 0)]


@dataclass(frozen=True)
class Marked:
    """Sentences, each beside its mark, right under their heading."""

    heading: str
    rows: tuple[tuple[Content, Content], ...]

    def lines(self, width: int, as_tex: bool) -> Sequence[Line]:
        """Its lines at a width."""
        rows = [line for mark, text in self.rows for line in hanging(Content(" ") + mark, text, width, INDENT)]
        return [*Heading(self.heading).lines(width, as_tex), *rows]


@dataclass(frozen=True)
class Facts:
    """A table."""

    table: Table

    def lines(self, width: int, as_tex: bool) -> Sequence[Line]:
        """Its lines at a width."""
        return [Line(line) for line in table_lines(columns_of(self.table), width)]


Part = Markdown | Heading | Marked | Facts


class Prose(DrawnText):
    """Parts under one another that fit their column. What is selected is copied without the line breaks of the width."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"strong", "em", "s", "code_inline", "code", "bullet"}
    DEFAULT_CSS = """
    Prose > .strong { text-style: bold; }
    Prose > .em { text-style: italic; }
    Prose > .s { text-style: strike; }
    Prose > .bullet { color: $text-primary; }
    Prose > .code { background: black 10%; }
    Prose > .code_inline { background: $warning 10%; color: $text-warning 95%; }
    Prose:light > .bullet { color: $text-secondary; }
    Prose:light > .code { background: white 30%; }
    Prose:light > .code_inline { background: $error 5%; color: $text-error 95%; }
    """

    def __init__(self, id: str | None = None, apart: bool = False) -> None:
        """`apart`: a line is left free above the text where there is any."""
        super().__init__(id=id)
        self.apart = apart
        self.parts: tuple[Part, ...] = ()
        self.as_tex = False
        self._lines: list[Line] = []
        self._tex_under_mouse = ""

    def fill(self, parts: Sequence[Part], as_tex: bool = False) -> None:
        """Show other parts, formulas drawn or `as_tex`; nothing is drawn where they are the same."""
        shown = (tuple(parts), as_tex)
        if shown != (self.parts, self.as_tex):
            self.parts, self.as_tex = shown
            self.redraw()

    def draw(self, width: int) -> Content:
        """The parts, a line between them."""
        self._lines = [*self._all_lines(width)][0 if self.apart else 1 :]
        return joined([line.text for line in self._lines])

    def _all_lines(self, width: int) -> Iterator[Line]:
        for part in self.parts:
            yield BLANK
            yield from part.lines(width, self.as_tex)

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """What is selected, without the line breaks that only the width made."""
        first, start = selection.start.transpose if selection.start is not None else (0, 0)
        last, end = selection.end.transpose if selection.end is not None else (len(self._lines), 0)
        texts: list[str] = []
        for number, line in enumerate(self._lines[first : last + 1], first):
            text = line.text.plain[: end if number == last else None]
            texts += [text[start:] if number == first else text, line.joint if number < last else ""]
        return "".join(texts).rstrip("\n"), "\n"

    def on_mouse_move(self, event: MouseMove) -> None:
        """Over a formula its TeX can be read."""
        place = event.get_content_offset(self)
        tex = self._lines[place.y].tex if place is not None and place.y < len(self._lines) else ""
        if tex != self._tex_under_mouse:
            self._tex_under_mouse = tex
            self.tooltip = Content(tex) if tex else None
