"""The point under the cursor, above its evidence where there is no room for the list beside it."""

from textual.content import Content

from studyapp.tui.textgraphics import inline
from studyapp.tui.widgets.drawn import DrawnText, hang, joined
from studyapp.tui.widgets.points import Row


class PointLine(DrawnText):
    """One point with its box, mark and number."""

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self.shown: tuple[Row, int, bool] | None = None

    def fill(self, row: Row, index: int, ticked: bool) -> None:
        """Show a point."""
        if self.shown != (row, index, ticked):
            self.shown = (row, index, ticked)
            self.redraw()

    def draw(self, width: int) -> Content:
        """A sentence beside its box."""
        if self.shown is None:
            return Content()
        row, index, ticked = self.shown
        box = Content.styled("[x] " if ticked else "[ ] ", "bold $accent" if ticked else "$foreground-muted")
        head = Content.assemble("› ", box, Content.styled(row.mark, row.style), f" {index + 1}")
        return joined(hang(head, inline(row.text).stylize("bold"), width, 11))
