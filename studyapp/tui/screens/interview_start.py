"""Before a mock interview: its minutes, the level of its openings, its topics, and the interviews before."""

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from studyapp import interviews
from studyapp.bank.model import SCHEDULED_LEVELS
from studyapp.context import AppContext
from studyapp.render import interview as say
from studyapp.tui.commands import bindings
from studyapp.tui.screens.base import BaseScreen
from studyapp.tui.textgraphics import pad
from studyapp.tui.widgets.key_footer import KeyFooter
from studyapp.tui.widgets.layout import Static, Vertical

MOST, LEAST, STEP = 120, 5, 5
SHOWN = 4
LABEL = 16


class InterviewStart(BaseScreen):
    """What is chosen here holds for the interviews that are begun here."""

    scope = "interview"
    BINDINGS: ClassVar = bindings("interview")
    AUTO_FOCUS = ""

    def __init__(
        self, context: AppContext, minutes: int = 30, topics: tuple[str, ...] = (), level: str = "core"
    ) -> None:
        super().__init__(context)
        self.minutes, self.level = minutes, level
        self.everything = context.scheduled_topics()
        self.chosen = set(topics or self.everything)

    def compose(self) -> ComposeResult:
        """How it goes, what is chosen, a row a topic, the interviews before."""
        yield Static(id="title", markup=False)
        with Vertical(id="start"):
            yield Static(id="how", markup=False)
            yield Static(id="numbers", markup=False)
            yield OptionList(id="topics", markup=False)
            yield Static(id="before", markup=False)
        yield KeyFooter()

    async def on_screen_resume(self) -> None:
        """Back from an interview: it stands among those before."""
        if self.is_mounted:
            await self.show()

    async def show(self) -> None:
        """Draw what is chosen."""
        words = self.context.t
        self.put("#title", self.title_line(words("interview.title")))
        self.put("#how", words("interview.how"))
        chosen = Content.styled(f"− {self.minutes} +", "bold $accent")
        level = Content.styled(words(f"interview.level_{self.level}"), "bold $accent")
        lines = [
            Content.assemble(pad(words("interview.minutes"), LABEL), chosen),
            Content.assemble(pad(words("interview.level"), LABEL), level),
        ]
        self.put("#numbers", Content("\n").join(lines))
        topics = self.query_one("#topics", OptionList)
        kept = topics.highlighted
        topics.clear_options()
        for topic in self.everything:
            mark, style = ("✓ ", "") if topic in self.chosen else ("  ", "$foreground-muted")
            topics.add_option(Option(Content.styled(mark + self.context.title(topic), style), id=topic))
        topics.highlighted = min(kept or 0, max(0, topics.option_count - 1))
        topics.focus()
        self._before()

    def _before(self) -> None:
        past = [(self.context.local(one.began), interviews.score(self.context, one)) for one in interviews.held(self.context)]
        words = self.context.t
        rows = say.beside(words, past[-SHOWN:]) or [words("interview.no_history")]
        self.put("#before", Content.assemble(Content.styled(words("interview.history"), "bold"), *(f"\n{row}" for row in rows)))

    @on(OptionList.OptionSelected, "#topics")
    def _selected(self) -> None:
        self.action_begin()

    def action_begin(self) -> None:
        """Begin."""
        from studyapp.tui.screens.interview import InterviewScreen

        with self.telling():
            topics = [topic for topic in self.everything if topic in self.chosen]
            session = interviews.begin(self.context, self.minutes, topics, self.level)
            self.app.push_screen(InterviewScreen(self.context, session))

    async def action_more(self, by: int) -> None:
        """More or fewer minutes."""
        self.minutes = max(LEAST, min(MOST, self.minutes + by * STEP))
        await self.show()

    async def action_level(self) -> None:
        """Openings of the next level too."""
        self.level = SCHEDULED_LEVELS[(SCHEDULED_LEVELS.index(self.level) + 1) % len(SCHEDULED_LEVELS)]
        await self.show()

    async def action_topic(self) -> None:
        """The topic under the cursor in or out; the last one stays."""
        option = self.query_one("#topics", OptionList).highlighted_option
        if option is not None and option.id is not None and self.chosen != {option.id}:
            self.chosen ^= {option.id}
            await self.show()
