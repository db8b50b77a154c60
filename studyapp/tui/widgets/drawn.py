"""Text that is laid out for the width it gets, in one widget: hanging sentences, tables and charts need no widget each."""

from textual.content import Content
from textual.geometry import Region, Size
from textual.widget import Widget

from studyapp.tui.widgets.layout import SizeKnown

NARROWEST = 8


class DrawnText(SizeKnown, Widget):
    """What `draw` gives for a width. It is drawn once a width, and again only when told to by `redraw`."""

    DEFAULT_CSS = "DrawnText { width: 1fr; height: auto; text-wrap: nowrap; text-overflow: clip; }"

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._drawn: tuple[int, Content, int] = (0, Content(), 0)

    def draw(self, width: int) -> Content:
        """The text for a width in cells, every line of it at most that wide; nothing at all takes no room."""
        raise NotImplementedError

    def _at(self, width: int) -> tuple[int, Content, int]:
        if self._drawn[0] != width:
            content = self.draw(max(NARROWEST, width))
            self._drawn = (width, content, content.plain.count("\n") + 1 if content.plain else 0)
        return self._drawn

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """The lines it takes at a width."""
        return self._at(width)[2] if width else 0

    def render(self) -> Content:
        """The text for the width it has."""
        return self._at(self.content_size.width)[1] if self.content_size.width else Content()

    def redraw(self) -> None:
        """Draw again; the screen is laid out anew only where the height changed."""
        width, _, before = self._drawn
        self._drawn = (0, Content(), 0)
        lines = self._at(width)[2] if width else 0
        # a region is named because Textual, where none is, asks for the place of this widget, and lays all out to know it
        self.refresh(Region(0, 0, max(1, width), max(1, lines, before)), layout=not width or lines != before)

    def reveal(self, first: int, lines: int) -> None:
        """Scroll these lines into sight in whatever scrolls around it."""
        for pane in self.ancestors:
            if isinstance(pane, Widget) and pane.allow_vertical_scroll:
                where = Region(0, first, self.size.width, lines).translate(self.content_region.offset - pane.content_region.offset)
                pane.scroll_to_region(where.translate(pane.scroll_offset), animate=False)
                return


def hang(mark: Content | str, text: Content, width: int, indent: int) -> list[Content]:
    """The lines of a sentence that hangs beside its mark, `indent` cells in."""
    mark = Content(mark) if isinstance(mark, str) else mark
    first, *rest = text.wrap(max(NARROWEST, width - indent)) or [Content()]
    head = mark.pad_right(max(0, indent - mark.cell_length))
    return [head + first, *(line.pad_left(indent) for line in rest)]


def joined(lines: list[Content]) -> Content:
    """Lines under one another."""
    return Content("\n").join(lines)
