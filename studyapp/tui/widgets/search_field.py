"""A line to search in that takes each letter at once."""

from textual.geometry import Size
from textual.reactive import Reactive
from textual.widgets import Input


class SearchField(Input):
    """An Input of one line. Textual's lays the whole screen out again at each letter, as if the field could grow."""

    virtual_size = Reactive(Size(0, 0), layout=False)
