"""A line to search in that takes each letter at once."""

from textual.widgets import Input

from studyapp.tui.widgets.layout import SizeKnown


class SearchField(SizeKnown, Input):
    """An Input of one line. Textual's lays the whole screen out again at each letter, as if the field could grow."""
