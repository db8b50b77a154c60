"""The end of a sitting: what it came to, what was missed, and what could come next."""

from collections.abc import Sequence
from dataclasses import dataclass

from textual.app import ComposeResult
from textual.content import Content
from textual.message import Message
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from studyapp.tui.widgets.layout import Static, Vertical


@dataclass(frozen=True)
class Way:
    """Something that enter does: `act` is "read", "again", "topic" or "practice", `what` the question or topic."""

    act: str
    text: Content
    what: str = ""


class SessionEnd(Vertical):
    """The numbers, then lists under headings."""

    DEFAULT_CSS = """
    SessionEnd { height: 1fr; padding: 1 2; }
    SessionEnd Static { height: auto; }
    SessionEnd OptionList, SessionEnd OptionList:focus { height: 1fr; border: none; background: transparent; padding: 0; margin-top: 1; }
    """

    @dataclass
    class Chosen(Message):
        """The learner chose a way on."""

        way: Way

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self.ways: list[Way] = []

    def compose(self) -> ComposeResult:
        """Numbers above, ways below."""
        yield Static(id="summary", markup=False)
        yield OptionList(id="ways", markup=False)

    def fill(self, lines: Sequence[str], groups: Sequence[tuple[str, Sequence[Way]]]) -> None:
        """Show a summary and the ways on, the headings of which cannot be chosen."""
        head, *rest = lines
        self.query_one("#summary", Static).update(Content.assemble(Content.styled(head, "bold"), *(f"\n{r}" for r in rest)))
        listing = self.query_one("#ways", OptionList)
        here = listing.highlighted
        listing.clear_options()
        self.ways = []
        for heading, ways in groups:
            if ways:
                space = [] if not self.ways else [""]
                for text in [*space, heading]:
                    listing.add_option(Option(Content.styled(text, "bold $accent"), disabled=True))
            for way in ways:
                listing.add_option(Option(way.text, id=str(len(self.ways))))
                self.ways.append(way)
        first = next((i for i in range(listing.option_count) if not listing.get_option_at_index(i).disabled), None)
        listing.highlighted = here if here is not None and here < listing.option_count else first

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Enter, or a click."""
        event.stop()
        if event.option_id is not None:
            self.post_message(self.Chosen(self.ways[int(event.option_id)]))
