"""Study: a question, its answer in two steps, the proof beside it, and a rating."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import Static

from studyapp.bank.model import Question
from studyapp.errors import StudyError
from studyapp.memory.schedule import CardState, Event, Rating, interval
from studyapp.memory.session import suggest
from studyapp.render.duration import duration
from studyapp.tui.commands import bindings
from studyapp.tui.desk import Desk
from studyapp.tui.screens.benchroom import BenchRoom
from studyapp.tui.screens.dialogs import ParameterForm
from studyapp.tui.widgets.answers import Answer
from studyapp.tui.widgets.bench import Bench
from studyapp.tui.widgets.keyline import KeyLine
from studyapp.tui.widgets.outline import Outline
from studyapp.tui.widgets.points import Points
from studyapp.tui.widgets.ratings import Choice, Ratings

NAMES = {1: "again", 2: "hard", 3: "good", 4: "easy"}


class Study(BenchRoom):
    """One sitting: ask, brief, full, rate; then the next card, then a summary."""

    room = "study"
    BINDINGS: ClassVar = bindings("study")

    def __init__(
        self, desk: Desk, topic: str | None = None, practice: bool = False, only: list[str] | None = None
    ) -> None:
        super().__init__(desk)
        self.topic, self.only, self.practice = topic, only, practice
        self.session = desk.session(topic, practice, only)
        self.card: CardState | None = None
        self.question: Question | None = None
        self.asked_at = desk.clock()
        self.moment, self.revealed = "ask", False

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
                yield Bench(self.desk, id="bench")
            yield Static(id="done", markup=False)
        with Vertical(id="foot"):
            yield Ratings(id="ratings")
        yield KeyLine()

    async def begin(self) -> None:
        """Draw the first card."""
        await self.draw_next()

    async def draw_next(self) -> None:
        """The next card, or the end."""
        self.card = self.session.next(self.desk.clock())
        self.question = self.desk.question(self.card.card) if self.card else None
        self.asked_at = self.desk.clock()
        self.moment, self.revealed = ("ask" if self.question else "done"), False
        self.query_one(Outline).clear()
        await self.show()
        self.query_one("#body").scroll_home(animate=False)
        self.query_one("#left").scroll_home(animate=False)

    async def show(self) -> None:
        """Draw the card as far as it is revealed, in the language of now."""
        question, language = self.question, self.desk.language
        for moment in ("ask", "brief", "full", "done"):
            self.set_class(moment == self.moment, f"-{moment}")
        self._head()
        if question is None:
            self._summary()
        else:
            ticked = sorted(self.query_one(Points).ticked) if self.revealed else []
            self.revealed = self.moment != "ask"
            self.query_one("#ask", Static).update(question.ask[language])
            self.query_one("#think", Static).update(self.say("study.think"))
            if self.moment != "ask":
                self.query_one(Outline).reveal(self.say("study.you_said"))
            await self.query_one(Answer).fill(self.desk, question, ticked, full=self.moment == "full")
            await self.query_one(Bench).fill(question.claims if self.moment != "ask" else ())
            self._ratings()
        self.footer()

    def _head(self) -> None:
        question, counts = self.question, self.session.counts(self.desk.clock())
        parts = ["studyapp"]
        if question:
            parts = [self.desk.title(question.topic, short=True), self.say(f"study.{question.level}"), question.id]
            parts += [self.say("study.as_of", when=question.as_of)] if question.as_of else []
        self.query_one("#title", Static).update(self.title_line(*parts))
        waiting = [("new", counts.new), ("learning", counts.learning), ("due", counts.due)]
        line = (
            self.say("study.practice") if self.practice else "  ".join(self.say(f"study.{k}", n=n) for k, n in waiting)
        )
        self.query_one("#counts", Static).update(line)

    def _ratings(self) -> None:
        if self.card is None or self.moment == "ask":
            return
        now, points = self.desk.clock(), self.query_one(Points)
        after = {} if self.practice else self.session.preview(self.card.card, now)
        chosen = suggest(len(points.ticked), len(points.rows))
        choices = []
        for rating, name in NAMES.items():
            later = after.get(Rating(rating))
            gap = duration(self.desk.words, interval(self.card, later, now)) if later else ""
            choices.append(Choice(rating, self.say(f"study.{name}"), gap, rating == chosen))
        self.query_one(Ratings).fill(choices, self.say("study.suggested"))

    def _summary(self) -> None:
        done = self.session.summary()
        lines = [self.say("study.done")]
        if done.reviews:
            percent = round(100 * (1 - done.ratings.get(Rating.AGAIN, 0) / done.reviews))
            minutes = max(1, round(done.seconds / 60))
            lines.append(self.say("study.done_reviews", n=done.reviews, percent=percent, minutes=minutes))
        else:
            lines.append(self.say("study.done_none"))
        self.query_one("#done", Static).update("\n\n".join([*lines, self.say("study.done_next")]))

    async def action_reveal(self) -> None:
        """Show brief and points, then all of it."""
        if self.moment in ("ask", "brief"):
            self.moment = "brief" if self.moment == "ask" else "full"
            await self.show()

    async def action_outline(self) -> None:
        """Write down what one would say."""
        if self.moment == "ask":
            await self.query_one(Outline).write()

    async def action_tex(self) -> None:
        """Formulas as their TeX, and back."""
        self.desk.as_tex = not self.desk.as_tex
        await self.show()

    def action_tick(self) -> None:
        """Tick the point under the cursor."""
        if self.moment in ("brief", "full"):
            self.query_one(Points).tick()

    def action_move(self, by: int) -> None:
        """Move the cursor over the points."""
        if self.moment in ("brief", "full"):
            self.query_one(Points).move(by)

    def action_scroll(self, by: int) -> None:
        """Scroll half a screen."""
        for pane in ("#body", "#left"):
            self.query_one(pane).scroll_relative(y=by * max(3, self.size.height // 2), animate=False)

    @on(Points.Ticked)
    def _ticked(self) -> None:
        self._ratings()

    @on(Points.Moved)
    def _moved(self, event: Points.Moved) -> None:
        if self.question and (claims := self.question.points[event.index].claims) and self.has_class("-wide"):
            self.query_one(Bench).reveal(claims[0])

    @on(Ratings.Chosen)
    async def _rated(self, event: Ratings.Chosen) -> None:
        await self.action_rate(event.rating)

    async def action_rate(self, rating: int) -> None:
        """Keep the answer, then the next card."""
        if self.moment not in ("brief", "full") or self.card is None:
            return
        self.stop_run()
        now, points, shown = self.desk.clock(), self.query_one(Points), self.card
        ticked = tuple(sorted(points.ticked))
        with self.telling():
            try:
                after = self.session.answer(
                    shown, Rating(rating), now, ticked=ticked, suggested=suggest(len(ticked), len(points.rows)),
                    seconds=min(600.0, (now - self.asked_at).total_seconds()), language=self.desk.language,
                )  # fmt: skip
            except StudyError:
                if self.desk.store.card(shown.card).seq != shown.seq:  # another window answered it
                    await self.draw_next()
                raise
            if after.leech and rating == Rating.AGAIN:
                self.tell(self.say("study.leech"))
            await self.draw_next()

    async def _take(self, turn: Callable[[datetime], Event | None], done: str, nothing: str) -> None:
        with self.telling():
            event = turn(self.desk.clock())
            self.tell(self.say(done if event else nothing))
            if event:
                self.stop_run()
                await self.draw_next()

    async def action_undo(self) -> None:
        """Take the last answer back."""
        await self._take(self.session.undo, "study.undone", "study.nothing_to_undo")

    async def action_redo(self) -> None:
        """Let it stand again."""
        await self._take(self.session.redo, "study.redone", "study.nothing_to_redo")

    async def _put_away(self, act: Callable[[str, datetime], object], done: str) -> None:
        if self.card is None:
            return
        with self.telling():
            act(self.card.card, self.desk.clock())
            self.tell(self.say(done))
            await self.draw_next()

    async def action_suspend(self) -> None:
        """Never ask this again, until asked to."""
        await self._put_away(self.session.suspend, "study.suspended")

    async def action_bury(self) -> None:
        """Not today."""
        await self._put_away(self.session.bury, "study.buried")

    async def action_practice(self) -> None:
        """Go on without scheduling."""
        if self.moment == "done":
            self.practice = True
            self.session = self.desk.session(self.topic, True, self.only)
            await self.draw_next()

    async def action_leave(self) -> None:  # type: ignore[override]
        """Leave the outline; else stop a run; else go home."""
        if self.query_one(Outline).writing:
            self.set_focus(None)
        elif not await self.halt():
            super().action_leave()

    def action_run_demo(self) -> None:
        """Run the demos of this question here."""
        if self.question and self.moment != "ask":
            self.run_claims(self.question.claims, {})

    async def ran(self) -> None:
        """Mark what now held here."""
        if self.question and self.moment != "ask":
            await self.query_one(Answer).remark(self.desk, self.question)

    def _focus_claim(self) -> str | None:
        if self.question is None or self.moment == "ask":
            return None
        points, index = self.question.points, self.query_one(Points).cursor
        here = points[index].claims if index < len(points) else ()
        return next((c for c in (*here, *self.question.claims) if self.desk.demo(c)), None)

    def action_parameters(self) -> None:
        """Turn the knobs of the demo behind the point under the cursor."""
        claim = self._focus_claim()
        demo = self.desk.demo(claim) if claim else None
        if demo is None or self.question is None:
            self.tell(self.say("lab.no_demo"))
            return
        mine = [c for c in self.question.claims if c.startswith(f"{demo.name}.")]

        def chosen(values: dict[str, Any] | None) -> None:
            if values is not None:
                self.run_claims(mine, values)

        self.app.push_screen(ParameterForm(self.desk, demo, self.query_one(Bench).turned.get(demo.name, {})), chosen)

    def action_code(self) -> None:
        """Read the demo behind the point under the cursor."""
        claim = self._focus_claim()
        demo = self.desk.demo(claim) if claim else None
        if demo is None or claim is None:
            self.tell(self.say("lab.no_demo"))
            return
        self.show_code(demo, self.desk.claim(claim))
