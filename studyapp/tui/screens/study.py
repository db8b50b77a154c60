"""Study: a question, its answer in two steps, the proof beside it, and a rating."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import Static

from studyapp.bank.model import Question
from studyapp.context import AppContext
from studyapp.errors import StaleCardError
from studyapp.quiz.recall import suggest
from studyapp.render.acts import describe
from studyapp.render.duration import duration
from studyapp.reviews.acts import Act
from studyapp.reviews.cards import CardState
from studyapp.reviews.log import Rating
from studyapp.reviews.scheduler import interval
from studyapp.tui.commands import bindings
from studyapp.tui.screens.demo_screen import DemoScreen
from studyapp.tui.screens.dialogs import ParameterDialog
from studyapp.tui.widgets.answers import Answer
from studyapp.tui.widgets.evidence_panel import EvidencePanel
from studyapp.tui.widgets.key_footer import KeyFooter
from studyapp.tui.widgets.outline import Outline
from studyapp.tui.widgets.points import Points
from studyapp.tui.widgets.ratings import Choice, Ratings

NAMES = {1: "again", 2: "hard", 3: "good", 4: "easy"}


class Study(DemoScreen):
    """One sitting: ask, brief, full, rate; then the next card, then a summary."""

    scope = "study"
    BINDINGS: ClassVar = bindings("study")
    AUTO_FOCUS = ""  # the only thing that could take it is the outline, hidden once the answer is shown

    def __init__(
        self, context: AppContext, topic: str | None = None, practice: bool = False, only: list[str] | None = None
    ) -> None:
        super().__init__(context)
        self.topic, self.only, self.practice = topic, only, practice
        self.session = context.session(topic, practice, only)
        self.card: CardState | None = None
        self.question: Question | None = None
        self.asked_at = context.clock()
        self.phase, self.revealed = "ask", False

    def compose(self) -> ComposeResult:
        """Question and answer left, proof right; one under the other where it is narrow."""
        with Horizontal(id="top"):
            yield Static(id="title", markup=False)
            yield Static(id="counts", markup=False)
        with VerticalScroll(id="body", can_focus=False):
            with VerticalScroll(id="left", can_focus=False):
                yield Static(id="ask", markup=False)
                yield Static(id="think", markup=False)
                yield Outline(id="outline")
                yield Answer(id="answer")
            with VerticalScroll(id="right", can_focus=False):
                yield EvidencePanel(self.context, id="bench")
            yield Static(id="done", markup=False)
        with Vertical(id="foot"):
            yield Ratings(id="ratings")
        yield KeyFooter()

    async def begin(self) -> None:
        """Draw the first card."""
        await self.draw_next()

    async def draw_next(self) -> None:
        """The next card, or the end."""
        self.card = self.session.next(self.context.clock())
        self.question = self.context.question_of(self.card.card) if self.card else None
        self.asked_at = self.context.clock()
        self.phase, self.revealed = ("ask" if self.question else "done"), False
        self.query_one(Outline).clear()
        self.query_one(Points).cursor = 0
        await self.show()
        self.query_one("#body").scroll_home(animate=False)
        self.query_one("#left").scroll_home(animate=False)
        self.query_one("#right").scroll_home(animate=False)

    async def show(self) -> None:
        """Draw the card as far as it is revealed, in the language of now."""
        question, language = self.question, self.context.language
        for moment in ("ask", "brief", "full", "done"):
            self.set_class(moment == self.phase, f"-{moment}")
        self._head()
        if question is None:
            self._summary()
        else:
            ticked = sorted(self.query_one(Points).ticked) if self.revealed else []
            self.revealed = self.phase != "ask"
            self.query_one("#ask", Static).update(question.ask[language])
            self.query_one("#think", Static).update(self.t("study.think"))
            if self.phase != "ask":
                self.query_one(Outline).reveal(self.t("study.you_said"))
            await self.query_one(Answer).fill(self.context, question, ticked, full=self.phase == "full")
            await self.query_one(EvidencePanel).fill(
                question.claims if self.phase != "ask" else (), question.claim_kinds
            )
            self._ratings()
        self.footer()

    def _head(self) -> None:
        question, counts = self.question, self.session.counts(self.context.clock())
        parts = ["studyapp"]
        if question:
            parts = [self.context.title(question.topic, short=True), self.t(f"study.{question.level}"), question.id]
            parts += [self.t("study.as_of", when=question.as_of)] if question.as_of else []
        self.query_one("#title", Static).update(self.title_line(*parts))
        waiting = [("new", counts.new), ("learning", counts.learning), ("due", counts.due)]
        line = (
            self.t("study.practice") if self.practice else "  ".join(self.t(f"study.{k}", n=n) for k, n in waiting)
        )
        self.query_one("#counts", Static).update(line)

    def _ratings(self) -> None:
        if self.card is None or self.phase == "ask":
            return
        now, points = self.context.clock(), self.query_one(Points)
        after = {} if self.practice else self.session.preview(self.card, now)
        chosen = suggest(len(points.ticked), len(points.rows))
        choices = []
        for rating, name in NAMES.items():
            later = after.get(Rating(rating))
            gap = duration(self.context.t, interval(self.card, later, now)) if later else ""
            choices.append(Choice(rating, self.t(f"study.{name}"), gap, rating == chosen))
        self.query_one(Ratings).fill(choices, self.t("study.suggested"))

    def _summary(self) -> None:
        done = self.session.summary()
        lines = [self.t("study.done")]
        if done.reviews:
            percent = round(100 * (1 - done.ratings.get(Rating.AGAIN, 0) / done.reviews))
            minutes = max(1, round(done.seconds / 60))
            lines.append(self.t("study.done_reviews", n=done.reviews, percent=percent, minutes=minutes))
        else:
            lines.append(self.t("study.done_none"))
        self.query_one("#done", Static).update("\n\n".join([*lines, self.t("study.done_next")]))

    async def action_reveal(self) -> None:
        """Show brief and points, then all of it."""
        if self.phase in ("ask", "brief"):
            self.phase = "brief" if self.phase == "ask" else "full"
            await self.show()

    async def action_outline(self) -> None:
        """Write down what one would say."""
        if self.phase == "ask":
            await self.query_one(Outline).write()

    async def action_tex(self) -> None:
        """Formulas as their TeX, and back."""
        self.context.as_tex = not self.context.as_tex
        await self.show()

    def action_tick(self) -> None:
        """Tick the point under the cursor."""
        if self.phase in ("brief", "full"):
            self.query_one(Points).tick()

    def action_move(self, by: int) -> None:
        """Move the cursor over the points."""
        if self.phase in ("brief", "full"):
            self.query_one(Points).move(by)

    def action_scroll(self, by: int) -> None:
        """Scroll half a screen."""
        for pane in ("#body", "#left", "#right"):
            self.query_one(pane).scroll_relative(y=by * max(3, self.size.height // 2), animate=False)

    @on(Points.Ticked)
    def _ticked(self) -> None:
        self._ratings()

    @on(Points.Moved)
    def _moved(self, event: Points.Moved) -> None:
        if self.question and (claims := self.question.points[event.index].claims) and self.has_class("-wide"):
            self.query_one(EvidencePanel).reveal(claims[0])

    @on(Ratings.Chosen)
    async def _rated(self, event: Ratings.Chosen) -> None:
        await self.action_rate(event.rating)

    async def action_rate(self, rating: int) -> None:
        """Keep the answer, then the next card."""
        if self.phase not in ("brief", "full") or self.card is None:
            return
        self.stop_run()
        now, points, shown = self.context.clock(), self.query_one(Points), self.card
        ticked = tuple(sorted(points.ticked))
        with self.telling():
            try:
                after = self.session.answer(
                    shown, Rating(rating), now,
                    seconds=min(600.0, (now - self.asked_at).total_seconds()), language=self.context.language,
                    data={"ticked": list(ticked), "suggested": suggest(len(ticked), len(points.rows))},
                )  # fmt: skip
            except StaleCardError:  # another window answered it
                await self.draw_next()
                raise
            if after.leech and rating == Rating.AGAIN:
                self.tell(self.t("study.leech"))
            await self.draw_next()

    async def _undo_or_redo(self, turn: Callable[[datetime], Act | None], done: str, nothing: str) -> None:
        with self.telling():
            act = turn(self.context.clock())
            self.tell(self.t(done, what=describe(self.context.t, act)) if act else self.t(nothing))
            if act:
                self.stop_run()
                await self.draw_next()

    async def action_undo(self) -> None:
        """Take the last answer back."""
        await self._undo_or_redo(self.session.undo, "study.undone", "study.nothing_to_undo")

    async def action_redo(self) -> None:
        """Let it stand again."""
        await self._undo_or_redo(self.session.redo, "study.redone", "study.nothing_to_redo")

    async def _hide_card(self, act: Callable[[str, datetime], object], done: str) -> None:
        if self.card is None:
            return
        with self.telling():
            act(self.card.card, self.context.clock())
            self.tell(self.t(done))
            await self.draw_next()

    async def action_suspend(self) -> None:
        """Never ask this again, until asked to."""
        await self._hide_card(self.session.suspend, "study.suspended")

    async def action_bury(self) -> None:
        """Not today."""
        await self._hide_card(self.session.bury, "study.buried")

    async def action_practice(self) -> None:
        """Go on without scheduling."""
        if self.phase == "done":
            self.practice = True
            self.session = self.context.session(self.topic, True, self.only)
            await self.draw_next()

    async def action_leave(self) -> None:  # type: ignore[override]
        """Leave the outline; else stop a run; else go home."""
        if self.query_one(Outline).writing:
            self.set_focus(None)
        elif not await self.halt():
            super().action_leave()

    def action_run_demo(self) -> None:
        """ClaimRun the demos of this question here."""
        if self.question and self.phase != "ask":
            self.run_claims(self.question.claims, {})

    async def ran(self) -> None:
        """Mark what now held here."""
        if self.question and self.phase != "ask":
            await self.query_one(Answer).remark(self.context, self.question)

    def _focus_claim(self) -> str | None:
        if self.question is None or self.phase == "ask":
            return None
        points, index = self.question.points, self.query_one(Points).cursor
        here = points[index].claims if index < len(points) else ()
        return next((c for c in (*here, *self.question.claims) if self.context.demo(c)), None)

    def action_parameters(self) -> None:
        """Turn the knobs of the demo behind the point under the cursor."""
        claim = self._focus_claim()
        demo = self.context.demo(claim) if claim else None
        if demo is None or self.question is None:
            self.tell(self.t("lab.no_demo"))
            return
        mine = [c for c in self.question.claims if c.startswith(f"{demo.name}.")]

        def chosen(values: dict[str, Any] | None) -> None:
            if values is not None:
                self.run_claims(mine, values)

        self.app.push_screen(ParameterDialog(self.context, demo, self.query_one(EvidencePanel).turned.get(demo.name, {})), chosen)

    def action_code(self) -> None:
        """Read the demo behind the point under the cursor."""
        claim = self._focus_claim()
        demo = self.context.demo(claim) if claim else None
        if demo is None or claim is None:
            self.tell(self.t("lab.no_demo"))
            return
        self.show_code(demo, self.context.claim(claim))
