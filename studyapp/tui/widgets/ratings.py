"""The four ratings, each with when the card would come again; the suggested one marked."""

from collections.abc import Sequence
from dataclasses import dataclass

from textual.app import ComposeResult
from textual.content import Content
from textual.events import Click
from textual.message import Message

from studyapp.tui.widgets.layout import Horizontal, Static


@dataclass(frozen=True)
class Choice:
    """A rating as shown."""

    rating: int
    name: str
    gap: str
    suggested: bool


class RatingButton(Static):
    """One rating, clickable."""

    def __init__(self, rating: int) -> None:
        super().__init__(id=f"rate-{rating}", markup=False)
        self.rating = rating

    def on_click(self, event: Click) -> None:
        """A click rates."""
        event.stop()
        self.post_message(Ratings.Chosen(self.rating))


class Ratings(Horizontal):
    """A row of four."""

    DEFAULT_CSS = """
    Ratings { height: 1; }
    RatingButton { width: 1fr; height: 1; padding: 0 1; background: $boost; }
    RatingButton.-suggested { background: $accent 30%; text-style: bold; }
    RatingButton:hover { background: $accent 50%; }
    """

    @dataclass
    class Chosen(Message):
        """The learner rated."""

        rating: int

    def compose(self) -> ComposeResult:
        """Four buttons."""
        yield from (RatingButton(r) for r in (1, 2, 3, 4))

    def fill(self, choices: Sequence[Choice], suggested: str) -> None:
        """Write names and intervals."""
        for choice in choices:
            button = self.query_one(f"#rate-{choice.rating}", RatingButton)
            button.set_class(choice.suggested, "-suggested")
            wide = (self.size.width or self.app.size.width) >= 100  # before the bar is laid out it has no width
            mark = (f" ◂ {suggested}" if wide else " ◂") if choice.suggested else ""
            text = Content.assemble(
                Content.styled(str(choice.rating), "bold $accent"),
                f" {choice.name} ",
                Content.styled(choice.gap, "$foreground-muted"),
                mark,
            )
            if button.content != text:
                button.update(text, layout=False)  # its size is that of the bar
