"""Quiz: choices and numbers one after another; after each what is so and what proves it, at the end the misses."""

from collections.abc import Sequence
from datetime import datetime
from secrets import randbelow
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from studyapp.context import AppContext
from studyapp.errors import AnswerError, StudyError
from studyapp.quiz.drill import drawn
from studyapp.quiz.kinds import Asked, Grade, Response
from studyapp.quiz.quiz import Quiz
from studyapp.quiz.registry import QUIZZED
from studyapp.render.quiz import explain
from studyapp.tui.commands import bindings
from studyapp.tui.screens.base import tell_error
from studyapp.tui.screens.card_evidence import support_group
from studyapp.tui.screens.demo_screen import DemoScreen
from studyapp.tui.screens.quiz_text import ending, option_rows, told
from studyapp.tui.textgraphics import inline
from studyapp.tui.widgets.evidence_panel import EvidenceGroup, EvidencePanel
from studyapp.tui.widgets.key_footer import KeyFooter
from studyapp.tui.widgets.layout import Horizontal, Pane, Static, Vertical
from studyapp.tui.widgets.session_end import SessionEnd

CARDS = 20
AFTERWARDS = {"pane", "step", "checks", "run_demo", "try", "parameters", "reset", "code", "copy"}


class QuizScreen(DemoScreen):
    """A quiz over a topic, or over all; `phase` is "making", "choose", "type", "told" or "done"."""

    scope = "quiz"
    BINDINGS: ClassVar = bindings("quiz")
    AUTO_FOCUS = ""

    def __init__(self, context: AppContext, topic: str | None = None, quiz: Quiz | None = None) -> None:
        """Asks `quiz`; without it a new one is drawn.

        Raises:
            BankError: where the topic has nothing to ask.
        """
        super().__init__(context)
        self.topic = topic
        self.quiz = quiz or self._drawn()
        self.asked: Asked | None = None
        self.grade: Grade | None = None
        self.chosen = ""
        self.hinted = False
        self.slip: AnswerError | None = None
        self.asked_at: datetime = context.clock()
        self.phase = "making"

    def _drawn(self) -> Quiz:
        return Quiz.draw(self.context.scheduled(self.topic), QUIZZED, CARDS, randbelow(2**31))

    def compose(self) -> ComposeResult:
        """Question and answer left, evidence right; where it is narrow, one or the other."""
        with Horizontal(id="top"):
            yield Static(id="title", markup=False)
            yield Static(id="counts", markup=False)
        with Horizontal(id="body"):
            with Pane(id="left", can_focus=False):
                yield Static(id="ask", markup=False)
                yield OptionList(id="options", markup=False)
                yield Input(id="number")
                yield Static(id="told", markup=False)
            with Vertical(id="right"):
                yield EvidencePanel(self.context, id="panel")
            yield SessionEnd(id="done")
        yield KeyFooter()

    @property
    def question(self) -> object | None:
        """The question that the card is about, once it was answered."""
        return self.asked.question if self.asked is not None and self.phase == "told" else None

    async def begin(self) -> None:
        """Ask the first card."""
        self.panel.single = not self.wide
        await self.draw_next()

    # ------------------------------------------------------------------ asking

    async def draw_next(self) -> None:
        """The next card, or the end."""
        self.asked, self.grade, self.hinted, self.pane = self.quiz.next(), None, False, "beside"
        self.slip = None
        self.query_one("#number", Input).value = ""
        if self.asked is None:
            self.phase = "done"
        elif self.asked.drill:
            self.phase = "making"
            self._make(self.asked)
        else:
            self._put("choose")
        await self.show()

    def _put(self, phase: str) -> None:
        """The card is put to the learner, and the time begins."""
        self.phase, self.asked_at = phase, self.context.clock()

    @work(exclusive=True, group="lab", exit_on_error=False)
    async def _make(self, asked: Asked) -> None:
        """The numbers of a drill, where torch is; one that cannot be made is told and left out."""
        try:
            self.asked = await drawn(asked, self.context.catalog, self.context.lab, self.context.t)
        except StudyError as error:
            tell_error(self.app, error, self.context.t)
            self.quiz.skip()
            await self.draw_next()
            return
        self._put("type")
        await self.show()

    async def show(self) -> None:
        """Draw the card, and what is told of it, in the language of now."""
        asked, language = self.asked, self.context.language
        with self.app.batch_update():
            self._head()
            if asked is not None:
                ask = asked.text[language] if self.phase != "making" else f"{asked.question.ask[language]}\n\n{self.t('quiz.making')}"
                self.put("#ask", Content("\n").join(map(inline, ask.split("\n"))))
                self._options(asked)
                self.put("#told", self._told())
                self.query_one("#number", Input).placeholder = self.t("quiz.type", unit=self._unit() or self.t("quiz.a_number"))
            self.place_panes()
        if self.phase == "done":
            self._end()
        elif self.phase in ("choose", "type"):
            self.query_one("#options" if self.phase == "choose" else "#number").focus()
        else:
            self.set_focus(None)
        if self.panel.form.display:
            await self.panel.form.translate()
        self.footer()

    def _unit(self) -> str:
        return self.asked.number.unit if self.asked and self.asked.number else ""

    def _head(self) -> None:
        quiz = self.quiz
        parts = [self.t("quiz.title")]
        if self.asked is not None:
            parts += [self.context.title(self.asked.question.topic, short=True), self.asked.question.id]
        self.put("#title", self.title_line(*parts))
        place = self.t("quiz.place", n=min(len(quiz.answered) + (self.phase != "told"), len(quiz.cards)), of=len(quiz.cards))
        self.put("#counts", f"{place}   {self.t('quiz.so_far', right=quiz.right)}")

    def _options(self, asked: Asked) -> None:
        """The options, once told with their marks."""
        options, asking = self.query_one("#options", OptionList), self.grade is None and bool(asked.options)
        here = options.highlighted
        options.clear_options()
        for place, row in enumerate(option_rows(self.context, asked, self.grade, self.chosen, self._room())):
            options.add_option(Option(row, id=str(place)))
        options.highlighted = (here if here is not None and here < len(asked.options) else 0) if asking else None

    def _room(self) -> int:
        """How wide an option may be: the pane without its padding and the bar."""
        width = self.app.size.width
        return max(20, (width // 2 if self.wide and self.phase == "told" else width) - 4)

    def _told(self) -> Content:
        return told(self.context, self.asked, self.grade, self.chosen, self.hinted, self.slip) if self.asked else Content("")

    # ------------------------------------------------------------------ panes

    def beside(self) -> Widget:
        """The question."""
        return self.query_one("#left")

    def place_panes(self) -> None:
        """Question, options, field, evidence and end, each in its phase and pane."""
        answered, evidence = self.phase == "told", self.pane == "evidence"
        shown = {
            "#left": self.phase != "done" and (self.wide or not evidence),
            "#right": answered and (self.wide or evidence),
            "#options": bool(self.asked and self.asked.options),
            "#number": self.phase == "type",
            "#told": answered or self.hinted or self.slip is not None,
            "#done": self.phase == "done",
        }
        self.display_only(shown)
        self.query_one("#right").set_class(evidence, "-active")

    def on_resize(self) -> None:
        """There may be room for both now."""
        self.panel.single = not self.wide
        if self.asked is not None:
            self._options(self.asked)
        self.place_panes()
        self.panel.show()

    def states(self) -> list[str]:
        """The evidence counts once it may be seen."""
        return super().states() if self.phase == "told" else [self.phase]

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Whatever shows evidence waits for the answer."""
        return self.phase == "told" or action not in AFTERWARDS

    # ------------------------------------------------------------------ answering

    async def action_choose(self, place: int) -> None:
        """Choose an option by its number."""
        if self.phase == "choose":
            await self.answer(Response((place,), seconds=self._seconds()))

    @on(OptionList.OptionSelected, "#options")
    async def _selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        await self.action_choose(int(event.option_id or 0))

    @on(Input.Submitted, "#number")
    async def _typed(self, event: Input.Submitted) -> None:
        event.stop()
        event.prevent_default()  # not a parameter, and nothing to run
        await self.answer(Response(typed=event.value, seconds=self._seconds(), hinted=self.hinted))

    def _seconds(self) -> float:
        return (self.context.clock() - self.asked_at).total_seconds()

    async def answer(self, response: Response) -> None:
        """Grade an answer, and tell what is so; what is none is told, and the card stays."""
        if self.asked is None:
            return
        try:
            self.grade = self.quiz.answer(self.asked, response)
        except AnswerError as error:
            self.slip = error
        else:
            self.chosen = response.typed.strip() if self.asked.number else str(response.ticked[0])
            self.phase = "told"
            self.panel.fill([self._proof(self.asked)], self.asked.question.claim_kinds)
        await self.show()

    def _proof(self, asked: Asked) -> EvidenceGroup:
        found, name = explain(asked, self.context.bank), self.t("quiz.proof")
        return support_group(self.context, found.support, name) if found.support else EvidenceGroup(found.claims, name)

    async def action_hint(self) -> None:
        """The first step of a calculation; a right answer then counts as hard."""
        if self.phase == "type":
            self.hinted = True
            await self.show()

    async def action_go(self) -> None:
        """The next card, once this one is answered; back into the field where it was left."""
        if self.phase == "told":
            self.stop_run()
            await self.draw_next()
        elif self.phase == "type":
            self.query_one("#number").focus()

    def runnable(self) -> Sequence[str]:
        """The claims that prove what was told."""
        return self.panel.refs

    def action_copy(self) -> None:
        """The question with what was told of it, or the evidence, to the clipboard."""
        if self.asked is None:
            return
        options = "\n".join(f"{n + 1} {option[self.context.language]}" for n, option in enumerate(self.asked.options))
        parts = (self.asked.text[self.context.language], options, self._told().plain)
        self.copy(self.panel.text.plain() if self.pane == "evidence" else "\n\n".join(part for part in parts if part) + "\n")

    # ------------------------------------------------------------------ the end

    def _end(self) -> None:
        end = self.query_one(SessionEnd)
        end.fill(*ending(self.context, self.quiz))
        end.query_one(OptionList).focus()

    @on(SessionEnd.Chosen)
    async def _go_on(self, event: SessionEnd.Chosen) -> None:
        if event.way.act == "read":
            await self.run_action(f"app.read({event.way.what!r})")
            return
        with self.telling():
            self.quiz = self.quiz.misses() if event.way.act == "again" else self._drawn()
            self.set_focus(None)
            await self.draw_next()

    def action_leave(self) -> None:
        """Stop a run; else leave a field; else go back."""
        if self.halt() or self.leave_field():
            return
        if self.panel.form.display:
            self.panel.form.close()
        else:
            super().action_leave()
