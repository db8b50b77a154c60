"""The end of a sitting: what it came to, the ways on, and the sitting that follows."""

from textual import on
from textual.widgets import OptionList

from studyapp.context import AppContext
from studyapp.reviews.log import Rating
from studyapp.reviews.sessions import Session
from studyapp.tui.screens.demo_screen import DemoScreen
from studyapp.tui.screens.session_ways import summary_lines, ways_on
from studyapp.tui.widgets.session_end import SessionEnd, Way


class SittingEnd(DemoScreen):
    """A screen that goes through a session and begins another at its end.

    Attributes:
        answered: the worst rating of each question in this sitting.
        acted: whether anything was done in it that can be taken back.
    """

    session: Session
    topic: str | None
    only: list[str] | None
    practice: bool

    def __init__(self, context: AppContext) -> None:
        super().__init__(context)
        self.answered: dict[str, Rating] = {}
        self.acted = False

    async def draw_next(self) -> None:
        """The next card."""
        raise NotImplementedError

    def show_end(self) -> None:
        """What the sitting came to, and the ways on."""
        lines = summary_lines(self.context, self.session.summary())
        end = self.query_one(SessionEnd)
        end.fill(lines, ways_on(self.context, self.answered, self.topic))
        end.query_one(OptionList).focus()

    @on(SessionEnd.Chosen)
    async def _go_on(self, event: SessionEnd.Chosen) -> None:
        if event.way.act == "read":
            await self.run_action(f"app.read({event.way.what!r})")
        else:
            await self.go_on(event.way)

    async def go_on(self, way: Way) -> None:
        """Take a way on that leads to another sitting."""
        missed = [q for q, rating in self.answered.items() if rating <= Rating.HARD]
        self.practice = way.act in ("again", "practice")
        self.only = missed if way.act == "again" else None if way.act == "topic" else self.only
        self.topic = way.what if way.act == "topic" else self.topic
        await self.begin_session()

    async def action_practice(self) -> None:
        """Go on without scheduling."""
        if self.phase == "done":
            self.practice = True
            await self.begin_session()

    async def begin_session(self) -> None:
        """A new sitting with what is chosen."""
        self.session = self.context.session(self.topic, self.practice, self.only)
        self.answered.clear()
        self.acted = False
        self.set_focus(None)
        await self.draw_next()
