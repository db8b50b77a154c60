"""Sentences that hang beside their marks."""

from collections.abc import Iterable, Sequence

from textual.content import Content

from studyapp.tui.widgets.drawn import DrawnText, hang, joined

Line = tuple[Content | str, Content | str]
"""The mark and what hangs beside it."""
INDENT = 4


class MarkedList(DrawnText):
    """Lines of a mark and a sentence under a heading; nothing where there are none."""

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self.heading = ""
        self.lines: Sequence[Line] = ()

    def fill(self, heading: str, lines: Iterable[Line]) -> None:
        """Show other lines."""
        shown = (heading, tuple(lines))
        if shown != (self.heading, self.lines):
            self.heading, self.lines = shown
            self.redraw()

    def draw(self, width: int) -> Content:
        """The heading, then a sentence a mark."""
        if not self.lines:
            return Content()
        rows = [Content(), *Content.styled(self.heading, "bold $accent").wrap(width)]
        for mark, text in self.lines:
            head = Content.assemble(" ", mark)
            rows += hang(head, Content(text) if isinstance(text, str) else text, width, INDENT)
        return joined(rows)
