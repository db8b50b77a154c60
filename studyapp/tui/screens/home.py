"""Home: what is due, and why it is worth starting."""

from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from studyapp.tui.commands import bindings
from studyapp.tui.dashboard import TopicLoad, home_stats
from studyapp.tui.screens.base import BaseScreen
from studyapp.tui.textgraphics import gauge, pad, sparkline
from studyapp.tui.widgets.key_footer import KeyFooter

ALL = ""


class Home(BaseScreen):
    """Topics with what waits in each, today's load, the days to come."""

    scope = "home"
    BINDINGS: ClassVar = bindings("home")
    drawn: tuple[list[TopicLoad], TopicLoad, int] | None = None

    @dataclass
    class Study(Message):
        """Study a topic, or all of them."""

        topic: str | None
        practice: bool = False

    @dataclass
    class Go(Message):
        """Go to another room."""

        to: str
        topic: str | None = None

    def compose(self) -> ComposeResult:
        """A line of today's load, the topics, the days to come."""
        yield Static(id="title", markup=False)
        with VerticalScroll(id="home"):
            yield Static(id="today", markup=False)
            yield Static(id="columns", markup=False)
            yield OptionList(id="topics", markup=False)
            yield Static(id="days", markup=False)
            yield Static(id="hint", markup=False)
        yield KeyFooter()

    async def on_screen_resume(self) -> None:
        """Come back to fresh numbers."""
        await self.show()
        self.footer()

    async def on_resize(self) -> None:
        """Columns are as wide as the terminal lets them be."""
        if self.drawn and self.size.width != self.drawn[2]:
            await self._topics(*self.drawn[:2])

    async def show(self) -> None:
        """Count and draw."""
        stats_now = home_stats(self.context)
        today, words = stats_now.today, self.context.t
        date = f"{self.context.local(self.context.clock()):%Y-%m-%d}"
        self.query_one("#title", Static).update(self.title_line(words("home.title"), date))
        parts = [(today.due, "home.due"), (today.new, "home.new"), (today.learn, "home.learning")]
        self.query_one("#today", Static).update(
            Content("   ").join(
                [Content.assemble(Content.styled(str(n), "bold $accent"), f" {words(k)}") for n, k in parts]
                + [Content(words("home.minutes", n=stats_now.minutes)), Content(words("home.streak", n=stats_now.streak))]
            )
        )
        await self._topics(stats_now.topics, today)
        bars = sparkline(stats_now.forecast)
        past = (
            words("home.yesterday", n=stats_now.yesterday, percent=stats_now.yesterday_percent)
            if stats_now.yesterday
            else words("home.yesterday_none")
        )
        line = Content.assemble(words("home.forecast"), "  ", Content.styled(bars, "$accent"), f"   {past}")
        self.query_one("#days", Static).update(line)
        hints = [words("home.first_run")] if not stats_now.seen else []
        hints += self.context.store.notices
        hints += [words("home.findings", n=len(self.context.bank.findings))] if self.context.bank.findings else []
        hints += [words("home.nothing")] if not self.context.bank.questions else []
        self.query_one("#hint", Static).update("\n".join(hints))

    async def _topics(self, loads: list[TopicLoad], today: TopicLoad) -> None:
        words = self.context.t
        self.drawn = loads, today, self.size.width
        bar = 20 if self.size.width >= 100 else 10
        width = max(20, min(36, self.size.width - bar - 47))
        head = pad(words("home.topic"), width) + "".join(
            pad(words(f"home.{k}"), 7, right=True) for k in ("new", "learn", "due")
        )
        head += pad(words("home.known"), 10, right=True) + "  " + words("home.remembered")
        self.query_one("#columns", Static).update(head)
        topics = self.query_one("#topics", OptionList)
        kept = topics.highlighted
        topics.clear_options()
        for load in [today, *loads]:
            name = words("home.all") if load.topic == ALL else self.context.title(load.topic, short=True)
            row = Content.assemble(
                Content.styled(pad(name, width), "bold" if load.topic == ALL else ""),
                *(
                    Content.styled(pad(str(n), 7, right=True), "" if n else "$foreground-muted")
                    for n in (load.new, load.learn, load.due)
                ),
                pad(f"{load.known}/{load.total}", 10, right=True),
                "  ",
                gauge(load.remembered if load.known else 0, bar),
                f" {round(100 * load.remembered):3d} %" if load.known else "   –",
            )
            topics.add_option(Option(row, id=load.topic or "*"))
        topics.highlighted = kept or 0
        topics.focus()

    def _chosen(self) -> str | None:
        topics = self.query_one("#topics", OptionList)
        option = topics.highlighted_option
        return option.id if option and option.id != "*" else None

    @on(OptionList.OptionSelected, "#topics")
    def _selected(self, event: OptionList.OptionSelected) -> None:
        self.post_message(self.Study(event.option.id if event.option.id != "*" else None))

    def action_study(self) -> None:
        """Study the topic under the cursor."""
        self.post_message(self.Study(self._chosen()))

    def action_study_all(self) -> None:
        """Study whatever waits."""
        self.post_message(self.Study(None))

    def action_practice(self) -> None:
        """Answer without scheduling."""
        self.post_message(self.Study(self._chosen(), practice=True))

    def action_browse(self) -> None:
        """Read the bank."""
        self.post_message(self.Go("browse", self._chosen()))

    def action_search(self) -> None:
        """Search the bank."""
        self.post_message(self.Go("search"))

    def action_lab(self) -> None:
        """Turn the knobs."""
        self.post_message(self.Go("lab"))

    def action_models(self) -> None:
        """Facts of named models."""
        self.post_message(self.Go("models"))

    def action_stats(self) -> None:
        """See how it goes."""
        self.post_message(self.Go("stats"))
