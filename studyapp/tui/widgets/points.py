"""The points of an answer, ticked by the learner."""

from collections.abc import Sequence
from dataclasses import dataclass

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.events import Click
from textual.message import Message
from textual.widgets import Static


@dataclass(frozen=True)
class Row:
    """A point as shown: its sentence, its mark, and a style for the mark."""

    text: str
    mark: str
    style: str = ""


class PointRow(Horizontal):
    """One point: box and mark, and its sentence hanging beside them."""

    def __init__(self, index: int, row: Row) -> None:
        super().__init__()
        self.index, self.row = index, row
        self.box, self.sentence = Static(classes="box", markup=False), Static(classes="sentence", markup=False)

    def compose(self) -> ComposeResult:
        """Two columns."""
        yield self.box
        yield self.sentence

    def paint(self, ticked: bool, here: bool) -> None:
        """Draw it ticked or not, with the cursor or without."""
        box = Content.styled("[x] " if ticked else "[ ] ", "bold $accent" if ticked else "$foreground-muted")
        self.set_class(here, "-here")
        self.box.update(Content.assemble("› " if here else "  ", box, Content.styled(self.row.mark, self.row.style)))
        self.sentence.update(Content(self.row.text))

    def on_click(self, event: Click) -> None:
        """A click ticks."""
        event.stop()
        self.post_message(Points.Clicked(self.index))


class Points(Static):
    """The list of points: the cursor and what is ticked."""

    DEFAULT_CSS = """
    Points { height: auto; layout: vertical; }
    PointRow { height: auto; }
    PointRow .box { width: 9; }
    PointRow .sentence { width: 1fr; height: auto; }
    PointRow.-here { background: $boost; text-style: bold; }
    """

    @dataclass
    class Clicked(Message):
        """A point was clicked."""

        index: int

    @dataclass
    class Ticked(Message):
        """The ticks changed."""

        ticked: tuple[int, ...]

    @dataclass
    class Moved(Message):
        """The cursor went to a point."""

        index: int

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id, markup=False)
        self.rows: list[PointRow] = []
        self.ticked: set[int] = set()
        self.cursor = 0

    async def fill(self, rows: Sequence[Row], ticked: Sequence[int] = ()) -> None:
        """Show other points."""
        await self.remove_children()
        self.rows = [PointRow(i, row) for i, row in enumerate(rows)]
        self.ticked, self.cursor = set(ticked), min(self.cursor, max(0, len(rows) - 1))
        await self.mount_all(self.rows)
        self.paint()

    def mark(self, rows: Sequence[Row]) -> None:
        """Change the marks without losing the ticks."""
        for shown, row in zip(self.rows, rows, strict=True):
            shown.row = row
        self.paint()

    def paint(self) -> None:
        """Draw every row."""
        for i, row in enumerate(self.rows):
            row.paint(i in self.ticked, i == self.cursor)

    def move(self, by: int) -> None:
        """Move the cursor, stopping at the ends."""
        if self.rows:
            self.cursor = max(0, min(len(self.rows) - 1, self.cursor + by))
            self.paint()
            self.rows[self.cursor].scroll_visible(animate=False)
            self.post_message(self.Moved(self.cursor))

    def tick(self, index: int | None = None) -> None:
        """Tick or untick a point; the one under the cursor by default."""
        if self.rows:
            self.cursor = self.cursor if index is None else index
            self.ticked ^= {self.cursor}
            self.paint()
            self.post_message(self.Ticked(tuple(sorted(self.ticked))))

    def on_points_clicked(self, message: Clicked) -> None:
        """A click on a row ticks it."""
        message.stop()
        self.tick(message.index)
