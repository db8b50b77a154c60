"""The interview: its day, the minutes until then, what each topic counts, and what will be recalled that day."""

import asyncio
import unicodedata
from collections.abc import Sequence
from contextlib import suppress
from datetime import date
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from studyapp import planning
from studyapp.errors import StudyError
from studyapp.render import plan as say
from studyapp.render.figures import percent
from studyapp.reviews.plan import Outlook, Plan
from studyapp.settings import RANGES
from studyapp.tui.commands import bindings
from studyapp.tui.screens.base import BaseScreen
from studyapp.tui.textgraphics import pad, sparkline
from studyapp.tui.widgets.key_footer import KeyFooter
from studyapp.tui.widgets.layout import Static, Vertical

COLUMNS = ("cards", "met", "now", "planned", "unplanned")
COLUMN, COUNTS = 10, 7
STEP = 5
HEAVIEST = 3.0
SETTLE = 0.3
"""Seconds without another change before the plan is made again: a thread that makes one cannot be stopped."""


class PlanScreen(BaseScreen):
    """What is set is kept at once, and the plan is made again; `phase` is "plan" once there is one."""

    scope = "plan"
    BINDINGS: ClassVar = bindings("plan")
    AUTO_FOCUS = ""
    made: Plan | None = None

    def compose(self) -> ComposeResult:
        """The plan in words, a row a topic, the days to come."""
        yield Static(id="title", markup=False)
        yield Input(id="date")
        with Vertical(id="plan"):
            yield Static(id="numbers", markup=False)
            yield Static(id="columns", markup=False)
            yield OptionList(id="topics", markup=False)
            yield Static(id="plan-days", markup=False)
        yield KeyFooter()

    async def begin(self) -> None:
        """Ask for the day, where none is set."""
        self.query_one("#date").display = False
        await self.show()
        if self.context.settings.interview_date is None:
            self.action_date()

    async def on_screen_resume(self) -> None:
        """Back from studying: what was done counts."""
        if self.is_mounted:
            await self.show()

    async def show(self) -> None:
        """Draw what is known, and let the plan be made."""
        self.put("#title", self.title_line(self.t("plan.title")))
        self.query_one("#date", Input).placeholder = self.t("plan.ask_date")
        if self.context.settings.interview_date is None:
            self._nothing(self.t("plan.none"))
            return
        if self.made is not None:
            with suppress(StudyError):
                self._draw(planning.interview(self.context), self.made)
        self.put("#numbers", self.t("plan.making"))
        self._make()

    def _nothing(self, why: str) -> None:
        self.made, self.phase = None, ""
        self.put("#numbers", why)
        for selector in ("#columns", "#topics", "#plan-days"):
            self.query_one(selector).display = False
        self.footer()

    @work(exclusive=True, group="plan", exit_on_error=False)
    async def _make(self) -> None:
        if self.made is not None:
            await asyncio.sleep(SETTLE)
        try:
            goal = planning.interview(self.context)
            self.made = await planning.made(self.context, goal)
        except StudyError as error:
            self._nothing("\n".join(self.context.t.message(text) for text in (error.message, error.hint) if text))
            return
        self.phase = "plan"
        self._draw(goal, self.made)
        self.footer()

    def _draw(self, goal: planning.Interview, made: Plan) -> None:
        words = self.context.t
        lines = [say.headline(words, goal.on, goal.minutes, made), say.today_line(words, made), *say.honesty(words, made)]
        self.put("#numbers", Content.assemble(Content.styled(lines[0], "bold"), "\n", "\n".join(lines[1:])))
        width = max(12, min(36, self.size.width - 8 - COUNTS - COLUMN * len(COLUMNS)))
        heads = [pad(words("plan.topic"), width), *(pad(words(f"plan.{name}"), COLUMN, right=True) for name in COLUMNS)]
        self.put("#columns", "".join(heads) + pad(words("plan.weight"), COUNTS, right=True))
        topics = self.query_one("#topics", OptionList)
        kept = topics.highlighted
        topics.clear_options()
        if made.core.cards:
            topics.add_option(Option(self._row(words("plan.core"), made.core, width, "", bold=True), id="*core"))
        topics.add_option(Option(self._row(words("plan.all"), made.all, width, "", bold=True), id="*all"))
        for topic in self.context.scheduled_topics():
            outlook, weight = made.topics.get(topic), goal.topics.get(topic, 0.0 if goal.topics else 1.0)
            shown = f"× {weight:g}" if weight else words("plan.left_out")
            topics.add_option(Option(self._row(self.context.title(topic, short=True), outlook, width, shown), id=topic))
        topics.highlighted = min(kept or 0, topics.option_count - 1)
        for selector in ("#columns", "#topics", "#plan-days"):
            self.query_one(selector).display = True
        if not self.query_one("#date").display:
            topics.focus()
        self.put("#plan-days", self._days(made))

    def _row(self, name: str, outlook: Outlook | None, width: int, weight: str, bold: bool = False) -> Content:
        cells = say.outlook_row(outlook) if outlook else [""] * len(COLUMNS)
        styles = ["", "", "$foreground-muted", "bold $success", "$foreground-muted"]
        return Content.assemble(
            Content.styled(pad(name, width), "bold" if bold else "" if outlook else "$foreground-muted"),
            *(Content.styled(pad(cell, COLUMN, right=True), style) for cell, style in zip(cells, styles, strict=True)),
            Content.styled(pad(weight, COUNTS, right=True), "$foreground-muted"),
        )

    def _days(self, made: Plan) -> Content:
        """New cards and reviews of each day as bars, and at which chance of recall cards come back."""
        room = max(10, self.size.width - 34)
        step = -(-len(made.days) // room)

        def by_step(numbers: Sequence[float]) -> list[float]:
            return [sum(numbers[start : start + step]) for start in range(0, len(numbers), step)]

        asked = [day.asked_at for day in made.days if day.asked_at is not None]
        lines = [
            Content.assemble(
                pad(self.t(f"plan.{name}"), 10),
                Content.styled(sparkline(by_step(numbers)), "$accent"),
                Content.styled(f"  {sum(numbers):.0f}", "$foreground-muted"),
            )
            for name, numbers in (("new", [day.new for day in made.days]), ("reviews", [day.reviews for day in made.days]))
        ]
        if asked:
            rise = f"{percent(asked[0])} → {percent(asked[-1])}"
            lines.append(Content.assemble(pad(self.t("plan.asked_at"), 10), rise))
        return Content("\n").join([*lines, Content.styled(say.policy_line(self.context.t, made), "$foreground-muted")])

    async def on_resize(self) -> None:
        """Columns and bars are as wide as there is room."""
        if self.made is not None:
            with self.telling():
                self._draw(planning.interview(self.context), self.made)

    # ------------------------------------------------------------------ keys

    async def _change(self, **changes: object) -> None:
        with self.telling():
            self.context.change(**changes)
        await self.show()

    def action_study(self) -> None:
        """Study what the plan asks today."""
        from studyapp.tui.screens.study import Study

        if self.made is not None:
            self.app.push_screen(Study(self.context, session=planning.session(self.context, self.made)))

    @on(OptionList.OptionSelected, "#topics")
    def _selected(self) -> None:
        self.action_study()

    def action_date(self) -> None:
        """Type the day of the interview."""
        field = self.query_one("#date", Input)
        now = self.context.settings.interview_date
        field.value = now.isoformat() if now else ""
        field.display = True
        field.focus()

    @on(Input.Submitted, "#date")
    async def _typed(self, event: Input.Submitted) -> None:
        text = unicodedata.normalize("NFKC", event.value.strip())
        try:
            day = date.fromisoformat(text) if text else None
            if day is not None:
                planning.interview(self.context, day)
        except ValueError:
            self.tell(self.t("plan.bad_date", text=text))
            return
        except StudyError as error:
            self.tell(self.context.t.message(error.message))
            return
        event.input.display = False
        await self._change(interview_date=day)

    async def action_more(self, by: int) -> None:
        """More or fewer minutes a day."""
        low, high = map(int, RANGES["interview_minutes"])
        minutes = max(low, min(high, self.context.settings.interview_minutes + by * STEP))
        await self._change(interview_minutes=minutes)

    async def action_weight(self) -> None:
        """Let the topic under the cursor count twice, thrice, not at all, once."""
        option = self.query_one("#topics", OptionList).highlighted_option
        if option is None or option.id is None or option.id.startswith("*"):
            return
        everything = self.context.scheduled_topics()
        set_now = self.context.settings.interview_topics
        weights = {topic: set_now.get(topic, 0.0 if set_now else 1.0) for topic in everything}
        weight = weights[option.id]
        weights[option.id] = 0.0 if weight >= HEAVIEST else weight + 1
        chosen = {topic: weight for topic, weight in weights.items() if weight}
        if not chosen:
            self.tell(self.t("plan.no_cards"))
            return
        await self._change(interview_topics={} if all(weights[t] == 1 for t in everything) else chosen)

    def action_leave(self) -> None:
        """Out of the field, else back to Home."""
        field = self.query_one("#date", Input)
        if field.display:
            field.display = False
            self.query_one("#topics").focus()
        else:
            super().action_leave()
