"""Study: a question, its answer in two steps, the evidence of each point, and a rating."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from textual import on
from textual.app import ComposeResult

from studyapp.bank.model import Question
from studyapp.context import AppContext
from studyapp.errors import StaleCardError
from studyapp.quiz.kinds import Asked, Grade, Response
from studyapp.render.duration import duration
from studyapp.reviews.cards import CardState
from studyapp.reviews.log import Rating, active_events
from studyapp.reviews.scheduler import interval
from studyapp.reviews.sessions import Session
from studyapp.tui.commands import bindings
from studyapp.tui.screens.answered_here import AnsweredHere
from studyapp.tui.screens.card_actions import LastReview
from studyapp.tui.screens.card_evidence import evidence_groups
from studyapp.tui.widgets.answers import Answer
from studyapp.tui.widgets.evidence_panel import EvidencePanel
from studyapp.tui.widgets.key_footer import KeyFooter, keys_content
from studyapp.tui.widgets.layout import Column, Horizontal, Pane, Static, Vertical
from studyapp.tui.widgets.outline import Outline
from studyapp.tui.widgets.point_line import PointLine
from studyapp.tui.widgets.points import Points
from studyapp.tui.widgets.ratings import Choice, Ratings
from studyapp.tui.widgets.session_end import SessionEnd

NAMES = {1: "again", 2: "hard", 3: "good", 4: "easy"}


@dataclass(frozen=True)
class Draft:
    """How far the learner had come with a card when it was left unrated."""

    card: CardState
    phase: str
    outline: str
    ticked: tuple[int, ...]
    cursor: int
    asked_at: datetime
    asked: Asked | None = None
    grade: Grade | None = None
    chosen: str = ""
    hinted: bool = False
    seconds: float | None = None


class Study(AnsweredHere):
    """One sitting: ask, brief, full, rate; then the next card, then a summary.

    A card of another kind than recall is "making", to "choose", "type" or "code", then "told"; the whole answer is "full".
    One that could not be made is "stuck".
    """

    scope = "study"
    BINDINGS: ClassVar = bindings("study")
    AUTO_FOCUS = ""  # the only things that could take it are fields, and those are asked for

    def __init__(
        self,
        context: AppContext,
        topic: str | None = None,
        practice: bool = False,
        only: list[str] | None = None,
        session: Session | None = None,
    ) -> None:
        """A sitting over a topic, over all, over chosen questions, or one that was made elsewhere."""
        super().__init__(context)
        self.topic, self.only, self.practice = topic, only, practice
        self.session = session or context.session(topic, practice, only)
        self.card: CardState | None = None
        self.question: Question | None = None
        self.phase = "ask"

    def compose(self) -> ComposeResult:
        """Question and answer left, evidence right; where it is narrow, one or the other."""
        with Horizontal(id="top"):
            yield Static(id="title", markup=False)
            yield Static(id="counts", markup=False)
        with Horizontal(id="body"):
            with Pane(id="left", can_focus=False):
                yield from self.compose_asked()
                yield Static(id="think", markup=False)
                yield Outline(id="outline")
                yield Answer(id="answer")
            with Vertical(id="right"):
                yield PointLine(id="here")
                yield EvidencePanel(self.context, id="panel")
            yield SessionEnd(id="done")
        with Column(id="foot"):
            yield Ratings(id="ratings")
        yield KeyFooter()

    async def begin(self) -> None:
        """Draw the first card."""
        self.panel.single = not self.wide
        await self.draw_next()

    # ------------------------------------------------------------------ drawing

    async def draw_next(self) -> None:
        """The next card, as it was left where it was; or the end."""
        self.card = self.session.next(self.context.clock())
        self.asked = self.context.ask(self.card) if self.card else None
        self.question = self.asked.question if self.asked else None
        kept = self.kept_draft()
        draft = kept if kept is not None and self.card is not None and kept.card == self.card else None
        self.put_card()
        if self.question is None:
            self.phase = "done"
        elif draft:
            self._take_up(draft)
        elif self.phase == "say":
            self.phase = "ask"
        self.pane, self.last = "beside", self.last_review()
        self.query_one(Outline).fill(draft.outline if draft else "")
        if self.question:
            points = self.query_one(Points)
            points.missed = self.last.missed if self.last else ()
            points.fill((), draft.ticked if draft else (), draft.cursor if draft else 0)
            self.panel.groups = ()  # also where the same card comes again, its evidence starts afresh
        await self.show()
        if self.question:
            self.panel.go(points.cursor)
        self.query_one("#left").scroll_home(animate=False)

    def _take_up(self, draft: Draft) -> None:
        """The card as it was left; one whose numbers are still being drawn goes on being drawn."""
        self.asked_at, self.took = draft.asked_at, draft.seconds
        if draft.asked is not None and draft.phase not in ("making", "stuck"):
            self.asked, self.phase = draft.asked, draft.phase
            self.grade, self.chosen, self.hinted = draft.grade, draft.chosen, draft.hinted

    async def show(self) -> None:
        """Draw the card as far as it is revealed, in the language of now."""
        question = self.question
        self.document = None
        with self.app.batch_update():  # one layout for all of it
            if question is not None:
                self._fill_answer()
                self.draw_asked()
                self.put("#think", self._think())
                self.query_one(Points).missed_word = self.t("study.missed")
                self._fill_evidence(question)
            self._phase_drawn()
        if self.phase != "done":
            self.focus_asked()
        if self.panel.form.display:
            await self.panel.form.translate()

    def _think(self) -> str:
        """What to do now, where nothing else says so."""
        if self.phase == "code" and self.asked is not None:
            return self.t("study.to_write", function=self.asked.exercise)
        return self.t("study.stuck" if self.phase == "stuck" else "study.think")

    def _fill_evidence(self, question: Question) -> None:
        """The evidence of every point; where a card of another kind was told, of what was told."""
        self.panel.text.asking = self.grade is None
        if self.phase == "told":
            self.fill_proof()
        else:
            self.panel.fill(evidence_groups(self.context, question), question.claim_kinds)

    def _fill_answer(self) -> None:
        """What is revealed of the answer."""
        if self.question is None or self.phase not in ("brief", "full"):
            return
        if self.document is None or self.document.question is not self.question:
            self.document = self.context.document(self.question)
        answer = self.query_one(Answer)
        answer.fill_brief(self.context, self.document)
        if self.phase == "full":
            answer.fill_rest(self.context, self.document)

    def _phase_drawn(self) -> None:
        self.place_panes()
        self._head()
        if self.phase == "done":
            self.show_end()
        elif self.phase == "told":
            self._ratings()
        elif self.revealed:
            last = self.last
            self.query_one(Outline).reveal(self.t("study.you_said"), last.outline if last else "", self.t("study.last_said"))
            self._here()
            self._ratings()
        self.footer()

    def place_panes(self) -> None:
        """Question, answer, evidence, rating and end, each in its phase and pane."""
        revealed, evidence, answered = self.revealed, self.pane == "evidence", self.phase in ("brief", "full")
        shown = {
            "#left": self.phase != "done" and (self.wide or not revealed or not evidence),
            "#right": revealed and (self.wide or evidence),
            "#here": not self.wide and answered,
            "#think": self.phase in ("ask", "code", "stuck"),
            "#answer": answered,
            "#rest": self.phase == "full",
            "#foot": revealed,
            "#done": self.phase == "done",
        }
        self.display_only(shown | self.asked_shown())
        self.query_one("#right").set_class(evidence, "-active")

    def _head(self) -> None:
        question, parts = self.question, self.end_title()
        if question:
            parts = [self.context.title(question.topic, short=True), *self.title_words(question)]
            parts += [self.t("study.as_of", when=question.as_of)] if question.as_of else []
            parts += ["★"] if self.context.annotation(question).starred else []
            parts.append(question.id)  # last: where there is no room for all, it is what is cut
        self.put("#title", self.title_line(*parts))
        self.put("#counts", self.counts_line())

    def end_title(self) -> list[str]:
        """What the title says where no question is on show."""
        return ["studyapp"]

    def title_words(self, question: Question) -> list[str]:
        """What stands beside the topic."""
        return [self.t(f"study.{question.level}")]

    def counts_line(self) -> str:
        """What is left."""
        if self.practice:
            return self.t("study.practice")
        counts = self.session.counts(self.context.clock())
        waiting = [("new", counts.new), ("learning", counts.learning), ("due", counts.due)]
        return "  ".join(self.t(f"study.{k}", n=n) for k, n in waiting)

    def _here(self) -> None:
        points = self.query_one(Points)
        if points.cursor < len(points.rows):
            self.query_one(PointLine).fill(points.rows[points.cursor], points.cursor, points.cursor in points.ticked)

    def _ratings(self) -> None:
        if self.card is None or not self.revealed:
            return
        now = self.context.clock()
        after = {} if self.practice else self.session.preview(self.card, now)
        chosen = self._grade().suggested
        choices = []
        for rating, name in NAMES.items():
            later = after.get(Rating(rating))
            gap = duration(self.context.t, interval(self.card, later, now)) if later else ""
            choices.append(Choice(rating, self.t(f"study.{name}"), gap, rating == chosen))
        self.query_one(Ratings).fill(choices, self.t("study.suggested"))

    def _grade(self) -> Grade:
        """What the answer speaks for, by the kind of the card: the ticks and the outline of one that is said."""
        assert self.asked is not None
        if self.grade is not None:
            return self.grade
        response = Response(tuple(sorted(self.query_one(Points).ticked)), self.query_one(Outline).text)
        return self.context.grade(self.asked, response)

    # ------------------------------------------------------------------ keys on the card

    async def action_reveal(self) -> None:
        """Show brief and points, then all of it; of a card that is answered here, all of it once it was."""
        if self.phase == "told":
            self.phase, self.pane = "full", "beside"
            await self.show()
        elif self.phase == "code":
            await self.answer(Response(seconds=self.seconds()))
        elif self.phase == "stuck":
            self.put_card()
            await self.show()
        elif self.phase == "type":
            self.focus_asked()
        elif self.phase in ("ask", "brief") and self.question is not None:
            if self.phase == "ask":
                self.phase = "brief"
            else:
                self.phase, self.pane = "full", "beside"
            self._fill_answer()
            self._phase_drawn()

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
        if self.phase in ("brief", "full") and self.grade is None:
            self.query_one(Points).tick()

    def action_move(self, by: int) -> None:
        """Move the cursor over the points; over the ways on at the end."""
        if self.phase in ("brief", "full"):
            self.query_one(Points).move(by)

    @on(Points.Ticked)
    def _ticked(self) -> None:
        self._here()
        self._ratings()

    @on(Points.Moved)
    def _moved(self, event: Points.Moved) -> None:
        self._here()
        if self.panel.index != event.index:
            self.panel.go(event.index)

    @on(EvidencePanel.Stepped)
    def _stepped(self, event: EvidencePanel.Stepped) -> None:
        if self.question and event.group < len(self.question.points):
            self.query_one(Points).put(event.group)

    @on(Ratings.Chosen)
    async def _rated(self, event: Ratings.Chosen) -> None:
        await self.action_rate(event.rating)

    async def action_rate(self, rating: int) -> None:
        """Keep the answer, then the next card; while there is something to choose, choose it."""
        if self.phase == "choose":
            await self.action_choose(rating - 1)
            return
        if not self.revealed or self.card is None:
            return
        self.stop_run()
        now, shown = self.context.clock(), self.card
        with self.telling():
            try:
                after = self.session.answer(
                    shown, Rating(rating), now,
                    seconds=min(600.0, self.seconds()) if self.took is None else self.took, language=self.context.language,
                    data=self._grade().kept(),
                )  # fmt: skip
            except StaleCardError:  # another window answered it
                await self.draw_next()
                raise
            self.acted = True
            worst = self.answered.get(self.question.id, Rating.EASY) if self.question else Rating.EASY
            if self.question:
                self.answered[self.question.id] = min(worst, Rating(rating))
            if after.leech and rating == Rating.AGAIN:
                self.tell(self.t("study.leech"))
            await self.draw_next()

    # ------------------------------------------------------------------ around the card

    def states(self) -> list[str]:
        """The evidence counts once it may be seen; something can be taken back once something was done."""
        states = [*super().states(), *(["write"] if self.exercises() else [])] if self.revealed else [self.phase]
        return [*states, *(["undo"] if self.acted else [])]

    def last_review(self) -> LastReview | None:
        """The last review of the card that stands."""
        if self.card is None or self.question is None or not self.card.reps:
            return None
        reviews = [e for e in active_events(self.context.store.events(self.card.card)) if e.kind == "review"]
        if not reviews:
            return None
        data = reviews[-1].data
        missed = set(range(len(self.question.points))) - set(data.get("ticked", ()))
        return LastReview(str(data.get("outline", "")), frozenset(missed) if "ticked" in data else frozenset())

    def kept_draft(self) -> Draft | None:
        """The draft of the card that was kept, taken out."""
        draft: Draft | None = self.context.drafts.pop(self.card.card, None) if self.card else None
        return draft

    def keep_draft(self) -> None:
        """Keep outline, ticks and place for when the card comes back; the next card throws them away."""
        if self.card is not None and self.question is not None:
            points, outline = self.query_one(Points), self.query_one(Outline).text
            ticked = tuple(sorted(points.ticked))
            draft = Draft(
                self.card, self.phase, outline, ticked, points.cursor, self.asked_at,
                self.asked, self.grade, self.chosen, self.hinted, self.took,
            )  # fmt: skip
            self.context.drafts[self.card.card] = draft

    def key_text(self, key: str) -> str:
        """The name of a command; the keys of the ratings choose while there is something to choose."""
        return super().key_text("keys.quiz_choose_0" if key == "keys.study_rate_1" and self.phase == "choose" else key)

    def footer(self) -> None:
        """The keys of the moment: one, while the outline has the keyboard."""
        if self.query_one(Outline).writing:
            self.put("KeyFooter", keys_content([("esc", self.t("study.ends_outline"), "screen.leave")]))
        else:
            super().footer()
