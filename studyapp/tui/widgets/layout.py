"""Containers and texts that are laid out and painted once where Textual's own are twice.

In Textual every widget asks for another layout of the whole screen when it learns how far its content reaches, which only
matters to what scrolls; and that sees to its bars itself. And a container draws each line of its empty ground anew, to be
cut up by all that stands on it; a blank one draws one line for all.
"""

from typing import ClassVar, Self

from textual import containers, widgets
from textual.geometry import Region, Size
from textual.reactive import Reactive
from textual.scrollbar import ScrollBar

WHOLE_BAR = Region(0, 0, 2, 500)


class SizeKnown:
    """Mixed into a widget before its class of Textual's: how far its content reaches lays nothing out again."""

    virtual_size = Reactive(Size(0, 0), layout=False)


class Static(SizeKnown, widgets.Static):
    """A text."""


class Vertical(SizeKnown, containers.Vertical):
    """Widgets under one another, in a frame where the style asks for one."""


class Column(SizeKnown, containers.Vertical):
    """Widgets under one another, without a frame."""

    BLANK: ClassVar[bool] = True


class Horizontal(SizeKnown, containers.Horizontal):
    """Widgets side by side, without a frame."""

    BLANK: ClassVar[bool] = True


class VerticalScroll(SizeKnown, containers.VerticalScroll):
    """Widgets under one another, as far as one scrolls, in a frame where the style asks for one."""


class Bar(SizeKnown, ScrollBar):
    """A scrollbar that can be told how far to reach while the screen is laid out."""

    def refresh(self, *regions: Region, repaint: bool = True, layout: bool = False, recompose: bool = False) -> Self:
        """As any widget; but it names what is to be drawn, because Textual else looks for its place and begins to lay out anew."""
        return super().refresh(*regions or (WHOLE_BAR,), repaint=repaint, layout=layout, recompose=recompose)


class Pane(SizeKnown, containers.VerticalScroll):
    """The same without a frame, whose bar has its place from the start, so that nothing is laid out again when it is needed."""

    BLANK: ClassVar[bool] = True
    DEFAULT_CSS = "Pane { overflow-y: scroll; }"

    @property
    def vertical_scrollbar(self) -> ScrollBar:
        """The bar, made when it is first asked for."""
        if self._vertical_scrollbar is None:
            self._vertical_scrollbar = Bar(vertical=True, name="vertical", thickness=self.scrollbar_size_vertical)
            self._vertical_scrollbar.display = True
            self.app._start_widget(self, self._vertical_scrollbar)
        return self._vertical_scrollbar
