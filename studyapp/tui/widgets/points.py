"""The points of an answer, ticked by the learner."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from textual.content import Content
from textual.events import Click
from textual.message import Message

from studyapp.tui.textgraphics import inline
from studyapp.tui.widgets.drawn import DrawnText, hang, joined


@dataclass(frozen=True)
class Row:
    """A point as shown: its sentence, its mark, and a style for the mark."""

    text: str
    mark: str
    style: str = ""


class Points(DrawnText):
    """The list of points: the cursor, what is ticked, and what was missed last time."""

    @dataclass
    class Ticked(Message):
        """The ticks changed."""

    @dataclass
    class Moved(Message):
        """The cursor went to a point."""

        index: int

    def __init__(self, id: str | None = None, boxes: bool = True) -> None:
        """Without `boxes` the points are only read: no cursor, nothing to tick."""
        super().__init__(id=id)
        self.boxes = boxes
        self.rows: tuple[Row, ...] = ()
        self.ticked: set[int] = set()
        self.missed: Collection[int] = ()
        self.missed_word = ""
        self.cursor = 0
        self._tops: list[int] = []

    def fill(self, rows: Sequence[Row], ticked: Collection[int] = (), cursor: int = 0) -> None:
        """Show the points of another card."""
        self.rows, self.ticked, self.cursor = tuple(rows), set(ticked), cursor
        self.redraw()

    def mark(self, rows: Sequence[Row]) -> None:
        """Other marks or another language; ticks and cursor stay."""
        if tuple(rows) != self.rows:
            self.rows = tuple(rows)
            self.redraw()

    def draw(self, width: int) -> Content:
        """A box, a mark and a sentence a point."""
        lines: list[Content] = []
        self._tops = []
        for index, row in enumerate(self.rows):
            self._tops.append(len(lines))
            here, ticked = self.boxes and index == self.cursor, index in self.ticked
            box = Content.styled("[x] " if ticked else "[ ] ", "bold $accent" if ticked else "$foreground-muted")
            mark = Content.styled(row.mark, row.style)
            head = Content.assemble("› " if here else "  ", box, mark) if self.boxes else Content.assemble(" ", mark)
            text = inline(row.text)
            if index in self.missed and self.missed_word:
                text = Content.assemble(text, Content.styled(f"  {self.missed_word}", "$warning"))
            rows = hang(head, text, width, 9 if self.boxes else 4)
            if here:
                rows = [line.extend_right(width - line.cell_length).stylize_before("bold on $boost") for line in rows]
            lines += rows
        return joined(lines)

    def move(self, by: int) -> None:
        """Move the cursor, stopping at the ends."""
        self.put(self.cursor + by)

    def put(self, index: int) -> None:
        """The cursor on a point, and that point in sight."""
        index = max(0, min(len(self.rows) - 1, index))
        if self.rows and index != self.cursor:
            self.cursor = index
            self.redraw()
            self.post_message(self.Moved(index))
        self.reveal_cursor()

    def reveal_cursor(self) -> None:
        """Bring the point under the cursor into sight."""
        if self.cursor < len(self._tops):
            top, end = self._tops[self.cursor], [*self._tops, self.size.height][self.cursor + 1]
            self.reveal(top, max(1, end - top))

    def tick(self) -> None:
        """Tick or untick the point under the cursor."""
        if self.rows:
            self.ticked ^= {self.cursor}
            self.redraw()
            self.post_message(self.Ticked())

    def on_click(self, event: Click) -> None:
        """A click ticks the point it falls on."""
        event.stop()
        line = event.get_content_offset(self)
        if self.boxes and line is not None:
            self.put(max((i for i, top in enumerate(self._tops) if top <= line.y), default=0))
            self.tick()
