"""A function to write, in two texts: the task, and what the claims say of what was written."""

from collections.abc import Sequence
from functools import partial

from textual.content import Content
from textual.highlight import highlight

from studyapp.context import AppContext
from studyapp.lab.demo import Demo
from studyapp.tui.widgets.claim_view import ClaimPage, claim_lines
from studyapp.tui.widgets.drawn import DrawnText, hang, joined


class TaskText(DrawnText):
    """Blocks under one another, each with a heading or none: code keeps its lines, words are wrapped."""

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self.blocks: tuple[tuple[str, str, bool], ...] = ()
        self.tops: list[int] = []

    def fill(self, blocks: Sequence[tuple[str, str, bool]]) -> None:
        """Heading, text, and whether it is code, of each block."""
        if tuple(blocks) != self.blocks:
            self.blocks = tuple(blocks)
            self.redraw()

    def draw(self, width: int) -> Content:
        """All blocks."""
        lines: list[Content] = []
        self.tops = []
        for heading, text, is_code in self.blocks:
            self.tops.append(len(lines))
            if heading:
                lines.append(Content.styled(heading, "bold $accent"))
            whole = highlight(text, language="python") if is_code else Content(text)
            for line in whole.split("\n", allow_blank=True):
                indent = len(line.plain) - len(line.plain.lstrip(" "))
                lines += hang(" " * indent, line[indent:], width, indent) if line.plain.strip() else [Content()]
            lines.append(Content())
        return joined(lines[:-1])


class JudgedText(DrawnText):
    """How things stand, then the claims; of the one under the cursor what it showed."""

    def __init__(self, context: AppContext, id: str | None = None) -> None:
        super().__init__(id=id)
        self.context = context
        self.demo: Demo | None = None
        self.status = Content()
        self.pages: tuple[ClaimPage, ...] = ()
        self.current = 0
        self.unfolded = False
        self.tops: list[int] = []

    def fill(self, demo: Demo, status: Content, pages: Sequence[ClaimPage], current: int) -> None:
        """The claims of a demo as they stand; those that are not current come without their runs."""
        self.demo, self.status, self.pages, self.current = demo, status, tuple(pages), current
        self.redraw()

    def fold(self) -> None:
        """Unfold the checks that hold, or fold them."""
        self.unfolded = not self.unfolded
        self.redraw()

    def draw(self, width: int) -> Content:
        """The status, and every claim."""
        lines = [*self.status.wrap(width), Content()] if self.status.plain else []
        translated = partial(self.context.in_language, demo=self.demo)
        self.tops = []
        for place, page in enumerate(self.pages):
            self.tops.append(len(lines))
            current = place == self.current
            lines += [*claim_lines(page, self.context.t, width, self.unfolded, current, translated), Content()]
        return joined(lines[:-1])

    def plain(self) -> str:
        """What stands there, as text."""
        return self._at(self.content_size.width or 80)[1].plain
