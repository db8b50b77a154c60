"""A list of any length whose rows are all of one height: only what is in sight is drawn, so that filling it costs nothing."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import ClassVar

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.events import Click, Resize
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.style import Style
from textual.timer import Timer

from studyapp.tui.textgraphics import pad
from studyapp.tui.widgets.layout import SizeKnown

REMEMBERED = 1000
"""Rows drawn are kept up to so many."""

AHEAD_SECONDS, PAUSE_SECONDS = 0.006, 0.012
"""Rows are drawn ahead for so long at a stretch, with so long between: a key never waits for them."""


@dataclass(frozen=True)
class Row:
    """A row: a sentence, and a muted line under it."""

    id: str
    text: str
    note: str


class RowList(SizeKnown, ScrollView, can_focus=True):
    """Rows under a cursor. A sentence takes at most `LINES` lines and ends in «…» where it is longer."""

    LINES: ClassVar[int] = 2
    NARROWEST_FOR_ONE_LINE: ClassVar[int] = 70
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", show=False),
        Binding("down", "move(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("home", "edge(0)", show=False),
        Binding("end", "edge(-1)", show=False),
        Binding("enter", "choose", show=False),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {"row-list--highlighted", "row-list--note"}
    DEFAULT_CSS = """
    RowList { height: 1fr; overflow-x: hidden; overflow-y: scroll; }
    RowList > .row-list--note { color: $foreground-muted; }
    RowList > .row-list--highlighted { background: $accent 18%; }
    """

    @dataclass
    class Highlighted(Message):
        """The cursor went to a row; None where the list is empty."""

        id: str | None

    @dataclass
    class Chosen(Message):
        """A row was chosen."""

        id: str

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.rows: Sequence[Row] = ()
        self.cursor = 0
        self._drawn: dict[tuple[Row, bool], list[Strip]] = {}
        self._ahead: list[Row] = []
        self._look: tuple[int, Style, Style, Style] | None = None
        self._drawing: Timer | None = None

    @property
    def row_height(self) -> int:
        """The lines of a row: one for the sentence where there is room, else two, and one below."""
        return 2 if self.size.width >= self.NARROWEST_FOR_ONE_LINE else self.LINES + 1

    @property
    def current(self) -> str | None:
        """The id of the row under the cursor."""
        return self.rows[self.cursor].id if self.rows else None

    def fill(self, rows: Sequence[Row], current: str | None = None) -> None:
        """Show other rows, the cursor on the one called `current` where it is among them, else on the first."""
        before = self.current
        self.rows = rows
        if len(self._drawn) > REMEMBERED:  # what was drawn of a row stands wherever it is listed
            self._drawn.clear()
        self.cursor = next((i for i, row in enumerate(rows) if row.id == current), 0)
        self._lay_out()
        if self.current != before:
            self.post_message(self.Highlighted(self.current))

    def draw_ahead(self, rows: Iterable[Row]) -> None:
        """Draw these rows while nothing else is to do, so that a search only puts together what is drawn."""
        self._ahead = list(rows)[:REMEMBERED]
        if self._drawing is None:
            self._drawing = self.set_interval(PAUSE_SECONDS, self._draw_some)
        self._drawing.resume()

    def _draw_some(self) -> None:
        until = monotonic() + AHEAD_SECONDS
        self._forget_other_looks()
        while self._ahead and monotonic() < until:
            self._strips(self._ahead.pop(), False, self.scrollable_content_region.width)
        if not self._ahead and self._drawing is not None:
            self._drawing.pause()

    def on_resize(self, event: Resize) -> None:
        """Rows are as wide as the list."""
        self._lay_out()

    def _forget_other_looks(self) -> None:
        """What was drawn in another width or other colours is of no use; styles are also told of where these stay as they are."""
        note, here = map(self.get_visual_style, ("row-list--note", "row-list--highlighted"))
        look = (self.scrollable_content_region.width, self.visual_style, note, here)
        if look != self._look:
            self._look = look
            self._drawn.clear()

    def _lay_out(self) -> None:
        """Say how far the rows reach."""
        height = len(self.rows) * self.row_height
        self.virtual_size = Size(self.scrollable_content_region.width, height)
        self.vertical_scrollbar.window_virtual_size = height
        self.vertical_scrollbar.window_size = self.size.height
        self._show_cursor()
        self.refresh()

    def _show_cursor(self) -> None:
        top = self.cursor * self.row_height
        self.scroll_to_region(Region(0, top, 1, self.row_height), animate=False, force=True)

    def render_lines(self, crop: Region) -> list[Strip]:
        """The lines in sight."""
        self._forget_other_looks()
        return super().render_lines(crop)

    def render_line(self, y: int) -> Strip:
        """One line of what is in sight."""
        place, line = divmod(y + self.scroll_offset.y, self.row_height)
        width = self.scrollable_content_region.width
        if not 0 <= place < len(self.rows):
            return Strip.blank(width, self.visual_style.rich_style)
        strips = self._strips(self.rows[place], place == self.cursor, width)
        return strips[line]

    def _strips(self, row: Row, here: bool, width: int) -> list[Strip]:
        """The lines of a row, drawn when first seen."""
        if (row, here) not in self._drawn:
            names = ("row-list--highlighted",) if here else ()
            style = self.get_visual_style(*names)
            note = self.get_visual_style(*names, "row-list--note") if not here else style
            lines = [line.plain.rstrip() for line in Content(row.text).wrap(max(8, width - 2))]
            texts = lines[: self.row_height - 1]
            if len(lines) > len(texts):
                texts[-1] = set_cell_size(texts[-1], max(1, min(cell_len(texts[-1]), width - 3))) + "…"
            parts = [*((f" {text}", style) for text in texts), (f" {row.note}", note)]
            parts += [("", style)] * (self.row_height - len(parts))
            self._drawn[row, here] = [Strip([Segment(pad(text, width), look.rich_style)], width) for text, look in parts]
        return self._drawn[row, here]

    def _go(self, place: int) -> None:
        if self.rows and (to := max(0, min(len(self.rows) - 1, place))) != self.cursor:
            self.cursor = to
            self._show_cursor()
            self.refresh()
            self.post_message(self.Highlighted(self.current))

    def action_move(self, by: int) -> None:
        """The next row, or the one before."""
        self._go(self.cursor + by)

    def action_page(self, by: int) -> None:
        """As many rows on as are in sight."""
        self._go(self.cursor + by * max(1, self.size.height // self.row_height - 1))

    def action_edge(self, place: int) -> None:
        """The first row or the last."""
        self._go(place % max(1, len(self.rows)))

    def action_choose(self) -> None:
        """Choose the row under the cursor."""
        if self.current is not None:
            self.post_message(self.Chosen(self.current))

    def on_click(self, event: Click) -> None:
        """A click goes to a row, two choose it."""
        place = (event.y + self.scroll_offset.y) // self.row_height
        if place < len(self.rows):
            self._go(place)
            if event.chain > 1:
                self.action_choose()
