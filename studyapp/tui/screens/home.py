"""Home: what is due, and why it is worth starting."""

import asyncio
import shlex
from dataclasses import dataclass
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.content import Content
from textual.message import Message
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from studyapp.errors import StudyError
from studyapp.reviews.overview import DeckCounts, Overview
from studyapp.reviews.stats import date_of, day_of
from studyapp.tui.commands import bindings
from studyapp.tui.dashboard import HomeStats, home_stats
from studyapp.tui.scope import scope_line
from studyapp.tui.screens.base import BaseScreen
from studyapp.tui.textgraphics import gauge, pad, sparkline
from studyapp.tui.widgets.key_footer import KeyFooter
from studyapp.tui.widgets.layout import Static, Vertical, VerticalScroll

ALL = ""


class Home(BaseScreen):
    """Topics with what waits in each, today's load, the days to come."""

    scope = "home"
    BINDINGS: ClassVar = bindings("home")
    drawn: tuple[Overview, int] | None = None
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
        """Today's load, the days to come and what the learner should know now, always in sight; below that the topics."""
        yield Static(id="title", markup=False)
        with Vertical(id="home"):
            yield Static(id="today", markup=False)
            for name in ("days", "interview", "backlog", "hint", "columns"):
                yield Static(id=name, markup=False)
            with VerticalScroll(id="topics-scroll"):
                yield OptionList(id="topics", markup=False)
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
        if self.drawn and self.size.width != self.drawn[1]:
            self._topics(self.drawn[0])

    async def show(self) -> None:
        """Count and draw."""
        stats_now = home_stats(self.context)
        overview, words = stats_now.overview, self.context.t
        today = overview.today
        date = f"{date_of(self.context.today()):%Y-%m-%d}"
        self.query_one("#title", Static).update(self.title_line(words("home.title"), date))
        parts = [(today.due, "home.due"), (today.new, "home.new"), (today.learning, "home.learning")]
        self.query_one("#today", Static).update(
            Content("   ").join(
                [Content.assemble(Content.styled(str(n), "bold $accent"), f"\u00a0{words(k)}") for n, k in parts]
                + [Content(words("home.minutes", n=stats_now.minutes).replace(" ", "\u00a0"))]
                + [Content(words.count("home.streak", n).replace(" ", "\u00a0")) for n in (stats_now.streak,) if n]
            )
            + Content.styled(f"\n{kinds}" if (kinds := self.context.kinds_line(stats_now.kinds)) else "", "$foreground-muted")
        )
        self._topics(overview)
        coming = overview.forecast[:14]
        told = [words("home.forecast", n=sum(coming), most=max(coming, default=0))]
        if stats_now.began_before:
            past = stats_now.yesterday
            line = words.count("home.yesterday", past.reviews) if past.reviews else words("home.yesterday_none")
            if past.due:
                line += words.count("home.recalled", past.due, percent=stats_now.yesterday_percent)
            told.append(line)
        bars = Content.styled(sparkline(coming), "$accent")
        self.query_one("#days", Static).update(Content.assemble(bars, f"  {' · '.join(told)}"))
        self.query_one("#days").display = overview.answered
        self.query_one("#scope", Static).update(scope_line(self.context))
        hints = self._hints(stats_now)
        self.query_one("#hint", Static).update("\n".join(hints))
        self.query_one("#hint").display = bool(hints)
        self._interview()
        self.query_one("#backlog").display = False
        due = sum(counts.due for counts in overview.decks.values())
        if due > today.due:
            self._backlog(due)

    @work(exclusive=True, group="backlog", exit_on_error=False)
    async def _backlog(self, due: int) -> None:
        """More is due than the day's limit: in which order it comes, and when it will be done."""
        from studyapp.reviews.backlog import days_to_finish  # brings numpy, for which the first frame should not wait

        settings, store, day = self.context.settings, self.context.store, self.context.today()
        states = list(self.context.cards().values())
        days = await asyncio.to_thread(
            days_to_finish, states, store.scheduler.parameters, settings.desired_retention, settings.reviews_per_day, day
        )
        said = self.t("home.backlog", n=due, limit=settings.reviews_per_day)
        end = self.t("home.backlog_never") if days is None else self.t("home.backlog_done", date=date_of(day + days))
        self.put("#backlog", f"{said} {end}")
        self.query_one("#backlog").display = True

    def _interview(self) -> None:
        """The line of the interview that is planned for; made beside the screen, where it is not known."""
        on = self.context.settings.interview_date
        left = day_of(on) - self.context.today() if on else -1
        self.query_one("#interview").display = left >= 0
        if left > 0:
            self.put("#interview", self.t("plan.home_making", date=on))
            self._plan()
        elif left == 0:
            self.put("#interview", self.t("plan.home_today"))

    @work(exclusive=True, group="plan", exit_on_error=False)
    async def _plan(self) -> None:
        from studyapp import planning  # as above
        from studyapp.render.plan import home_line

        try:
            goal = planning.interview(self.context)
            made = await planning.made(self.context, goal)
            self.put("#interview", home_line(self.context.t, goal.minutes, made))
        except StudyError as error:
            self.put("#interview", self.context.t.message(error.message))

    def _hints(self, stats_now: HomeStats) -> list[str]:
        """What the learner should know now: how to begin, what comes next, what went wrong."""
        words, bank = self.context.t, self.context.bank
        hints = [words("home.first_run")] if not stats_now.overview.answered else []
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
        waiting = stats_now.overview.waiting
        left = waiting.get(self.studied or "")
        order = [*(t for t, x in waiting.items() if x.due or x.learning), *(t for t, x in waiting.items() if x.new)]
        if left is None or left.waiting or not order:
            return ""
        following = order[0]
        topics = self.query_one("#topics", OptionList)
        topics.highlighted = topics.get_option_index(following)
        names = {"done": self.context.title(self.studied or "", short=True), "next": self.context.title(following, short=True)}
        return self.context.t.count("home.offer", waiting[following].waiting, **names)

    def _topics(self, overview: Overview) -> None:
        words = self.context.t
        self.drawn = overview, self.size.width
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
        for topic, counts in {ALL: overview.today, **overview.waiting}.items():
            name = words("home.all") if topic == ALL else self.context.title(topic, short=True)
            rows.append(Option(self._row(name, topic == ALL, counts, width, (number, known, bar)), id=topic or "*"))
        topics.add_options(rows)
        topics.highlighted = min(kept or 0, len(rows) - 1)
        topics.focus()

    @staticmethod
    def _row(name: str, bold: bool, counts: DeckCounts, width: int, columns: tuple[int, int, int]) -> Content:
        number, known, bar = columns
        recall = counts.recall or 0.0
        percent = f"{round(100 * recall):3d} %" if counts.known else "–"
        return Content.assemble(
            Content.styled(pad(name, width), "bold" if bold else ""),
            *(
                Content.styled(pad(str(n), number, right=True), "" if n else "$foreground-muted")
                for n in (counts.new, counts.learning, counts.due)
            ),
            pad(f"{counts.known}/{counts.total}", known, right=True),
            "  " if bar else "",
            gauge(recall if counts.known else 0, bar),
            pad(percent, 6 if bar else 7, right=True),
        )

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

    def action_interview(self) -> None:
        """Be interviewed."""
        self.post_message(self.Go("interview"))

    def action_interview_plan(self) -> None:
        """The day of the interview, and what is studied until then."""
        self.post_message(self.Go("plan"))

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
