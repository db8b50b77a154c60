"""Home: what is due, and why it is worth starting."""

import shlex
from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.content import Content
from textual.message import Message
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from studyapp.reviews.stats import date_of
from studyapp.tui.commands import bindings
from studyapp.tui.dashboard import HomeStats, TopicLoad, home_stats, waits
from studyapp.tui.scope import scope_line
from studyapp.tui.screens.base import BaseScreen
from studyapp.tui.textgraphics import gauge, pad, sparkline
from studyapp.tui.widgets.key_footer import KeyFooter
from studyapp.tui.widgets.layout import Static, VerticalScroll

ALL = ""


class Home(BaseScreen):
    """Topics with what waits in each, today's load, the days to come."""

    scope = "home"
    BINDINGS: ClassVar = bindings("home")
    drawn: tuple[list[TopicLoad], TopicLoad, int] | None = None
    studied: str | None = None
    """The topic that was studied last in this sitting."""

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
            yield Static(id="hint", markup=False)
            yield Static(id="days", markup=False)
            yield Static(id="scope", markup=False)
        yield KeyFooter()

    async def begin(self) -> None:
        """Nothing: what is on top is drawn when it resumes, also the first time."""

    async def on_screen_resume(self) -> None:
        """Come back to fresh numbers."""
        await self.show()
        self.footer()

    async def on_resize(self) -> None:
        """Columns are as wide as the terminal lets them be."""
        if self.drawn and self.size.width != self.drawn[2]:
            self._topics(*self.drawn[:2])

    async def show(self) -> None:
        """Count and draw."""
        stats_now = home_stats(self.context)
        today, words = stats_now.today, self.context.t
        date = f"{date_of(self.context.today()):%Y-%m-%d}"
        self.query_one("#title", Static).update(self.title_line(words("home.title"), date))
        parts = [(today.due, "home.due"), (today.new, "home.new"), (today.learn, "home.learning")]
        self.query_one("#today", Static).update(
            Content("   ").join(
                [Content.assemble(Content.styled(str(n), "bold $accent"), f"\u00a0{words(k)}") for n, k in parts]
                + [Content(words("home.minutes", n=stats_now.minutes).replace(" ", "\u00a0"))]
                + [Content(words.count("home.streak", n).replace(" ", "\u00a0")) for n in (stats_now.streak,) if n]
            )
        )
        self._topics(stats_now.topics, today)
        past = words.count("home.yesterday", stats_now.yesterday) if stats_now.yesterday else words("home.yesterday_none")
        if stats_now.yesterday_due:
            past += words.count("home.recalled", stats_now.yesterday_due, percent=stats_now.yesterday_percent)
        coming = words("home.forecast", n=sum(stats_now.forecast), most=max(stats_now.forecast, default=0))
        bars = Content.styled(sparkline(stats_now.forecast), "$accent")
        self.query_one("#days", Static).update(Content.assemble(bars, f"  {coming} · {past}"))
        self.query_one("#days").display = stats_now.seen
        self.query_one("#scope", Static).update(scope_line(self.context))
        hints = self._hints(stats_now)
        self.query_one("#hint", Static).update("\n".join(hints))
        self.query_one("#hint").display = bool(hints)

    def _hints(self, stats_now: HomeStats) -> list[str]:
        """What the learner should know now: how to begin, what comes next, what went wrong."""
        words, bank = self.context.t, self.context.bank
        hints = [words("home.first_run")] if not stats_now.seen else []
        if offer := self._offer(stats_now):
            hints.append(offer)
        hints += map(self.context.t.message, self.context.store.notices)
        unread = {finding.path for finding in bank.findings if not finding.warning}
        if unread:
            mine = [f"--bank {shlex.quote(str(b))}" for b in self.context.banks if any(p.is_relative_to(b) for p in unread)]
            hints.append(words.count("home.findings", len(unread), command=" ".join(["studyapp", *mine, "check"])))
        return hints if bank.questions else [*hints, words("home.nothing")]

    def _offer(self, stats_now: HomeStats) -> str:
        """Where the topic just studied has nothing left, the next one that has."""
        loads = {load.topic: load for load in stats_now.topics}
        left = loads.get(self.studied or "")
        following = next((x for x in stats_now.topics if x.due or x.learn), None)
        following = following or next((x for x in stats_now.topics if x.new), None)
        if left is None or waits(left) or following is None:
            return ""
        topics = self.query_one("#topics", OptionList)
        topics.highlighted = topics.get_option_index(following.topic)
        names = {"done": self.context.title(left.topic, short=True), "next": self.context.title(following.topic, short=True)}
        return self.context.t.count("home.offer", waits(following), **names)

    def _topics(self, loads: list[TopicLoad], today: TopicLoad) -> None:
        words = self.context.t
        self.drawn = loads, today, self.size.width
        room = self.size.width - 7
        bar = 20 if room >= 93 else 10 if room >= 69 else 0
        number, known = (7, 10) if bar else (6, 9)
        width = max(8, min(36, room - 3 * number - known - (bar + 9 if bar else 7)))
        head = pad(words("home.topic"), width)
        head += "".join(pad(words(f"home.{k}"), number, right=True) for k in ("new", "learn", "due"))
        head += pad(words("home.known"), known, right=True)
        head += "  " + words("home.remembered") if bar else pad(words("home.recall"), 7, right=True)
        self.query_one("#columns", Static).update(head)
        topics = self.query_one("#topics", OptionList)
        kept = topics.highlighted
        topics.clear_options()
        rows = []
        for load in [today, *loads]:
            name = words("home.all") if load.topic == ALL else self.context.title(load.topic, short=True)
            percent = f"{round(100 * load.remembered):3d} %" if load.known else "–"
            row = Content.assemble(
                Content.styled(pad(name, width), "bold" if load.topic == ALL else ""),
                *(
                    Content.styled(pad(str(n), number, right=True), "" if n else "$foreground-muted")
                    for n in (load.new, load.learn, load.due)
                ),
                pad(f"{load.known}/{load.total}", known, right=True),
                "  " if bar else "",
                gauge(load.remembered if load.known else 0, bar),
                pad(percent, 6 if bar else 7, right=True),
            )
            rows.append(Option(row, id=load.topic or "*"))
        topics.add_options(rows)
        topics.highlighted = min(kept or 0, len(rows) - 1)
        topics.focus()

    def _chosen(self) -> str | None:
        topics = self.query_one("#topics", OptionList)
        option = topics.highlighted_option
        return option.id if option and option.id != "*" else None

    @on(OptionList.OptionSelected, "#topics")
    def _selected(self) -> None:
        self.action_study()

    def action_study(self) -> None:
        """Study the topic under the cursor."""
        self.studied = self._chosen()
        self.post_message(self.Study(self.studied))

    def action_study_all(self) -> None:
        """Study whatever waits."""
        self.studied = None
        self.post_message(self.Study(None))

    def action_practice(self) -> None:
        """Answer without scheduling."""
        self.post_message(self.Study(self._chosen(), practice=True))

    def action_quiz(self) -> None:
        """Be asked choices and numbers."""
        self.post_message(self.Go("quiz", self._chosen()))

    def action_plan(self) -> None:
        """How many new cards a day, and in which order."""
        self.post_message(self.Go("new_cards"))

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
