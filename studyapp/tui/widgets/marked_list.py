"""A sentence that hangs beside its mark."""

from collections.abc import Iterable, Sequence

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Static

Line = tuple[Content | str, Content | str]
"""The mark and what hangs beside it."""


class MarkedList(Vertical):
    """Lines of a mark and a sentence under a heading; nothing where there are none."""

    DEFAULT_CSS = """
    MarkedList { height: auto; }
    MarkedList Horizontal { height: auto; }
    MarkedList .mark { width: 4; padding-left: 1; }
    MarkedList .sentence { width: 1fr; height: auto; }
    MarkedList .heading { height: auto; }
    """

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self.said: tuple[str, Sequence[Line]] = ("", ())

    def compose(self) -> ComposeResult:
        """The heading, then a row a line."""
        heading, lines = self.said
        if lines:
            yield Static(heading, classes="heading", markup=False)
        for mark, text in lines:
            with Horizontal():
                yield Static(mark, classes="mark", markup=False)
                yield Static(text, classes="sentence", markup=False)

    async def fill(self, heading: str, lines: Iterable[Line]) -> None:
        """Show other lines."""
        said = (heading, tuple(lines))
        if said != self.said:
            self.said = said
            await self.recompose()
