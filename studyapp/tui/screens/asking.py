"""A screen that asks for an option or a number: what is put to the learner, the answer to it, and what is told after it."""

from collections.abc import Iterator
from datetime import datetime

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
from studyapp.render.quiz import explain
from studyapp.tui.screens.base import tell_error
from studyapp.tui.screens.card_evidence import support_group
from studyapp.tui.screens.demo_screen import DemoScreen
from studyapp.tui.screens.quiz_text import option_rows, told
from studyapp.tui.textgraphics import inline
from studyapp.tui.widgets.evidence_panel import EvidenceGroup
from studyapp.tui.widgets.layout import Static

OPEN = ("choose", "type")
"""The phases in which an answer is awaited here."""
AFTERWARDS = {"pane", "step", "checks", "run_demo", "try", "parameters", "reset", "code", "copy", "guess"}
"""What would show the answer, and waits until it is given."""


class Asking(DemoScreen):
    """A card is "making" until its numbers are drawn, then to "choose" or to "type", and once answered "told".

    Attributes:
        grade: what the answer came to; None before it.
        chosen: what was typed, or the place of the option that was chosen.
        slip: what was wrong with what was typed, which is no answer yet.
    """

    asked: Asked | None = None

    def __init__(self, context: AppContext) -> None:
        super().__init__(context)
        self.grade: Grade | None = None
        self.chosen = ""
        self.hinted = False
        self.slip: AnswerError | None = None
        self.asked_at: datetime = context.clock()

    def compose_asked(self) -> ComposeResult:
        """What is asked, what can be chosen, the field for a number, and what is told."""
        yield Static(id="ask", markup=False)
        yield OptionList(id="options", markup=False)
        yield Input(id="number")
        yield Static(id="told", markup=False)

    def graded(self, asked: Asked, response: Response) -> Grade:
        """Grade an answer.

        Raises:
            AnswerError: where it is none.
        """
        raise NotImplementedError

    async def unmade(self, error: StudyError) -> None:
        """What the screen does where the numbers of a card cannot be drawn, which was told."""
        raise NotImplementedError

    # ------------------------------------------------------------------ asking

    def put_card(self) -> None:
        """Put the card to the learner: nothing is left of the one before it."""
        self.grade, self.hinted, self.slip, self.chosen = None, False, None, ""
        self.query_one("#number", Input).value = ""
        if self.asked is not None and self.asked.form == "type" and self.asked.number is None:
            self.phase = "making"
            self._make(self.asked)
        elif self.asked is not None:
            self.begin_at(self.asked.form)

    def begin_at(self, phase: str) -> None:
        """The time begins."""
        self.phase, self.asked_at = phase, self.context.clock()

    @work(exclusive=True, group="lab", exit_on_error=False)
    async def _make(self, asked: Asked) -> None:
        try:
            made = await drawn(asked, self.context.catalog, self.context.lab, self.context.t)
        except StudyError as error:
            tell_error(self.app, error, self.context.t)
            await self.unmade(error)
            return
        if self.asked is asked:  # not where the learner went on meanwhile
            self.asked = made
            self.begin_at("type")
            await self.show()

    def draw_asked(self) -> None:
        """Draw the card, and what is told of it, in the language of now."""
        asked, language = self.asked, self.context.language
        if asked is None:
            return
        making = f"{asked.question.ask[language]}\n\n{self.t('quiz.making')}"
        self.put("#ask", Content("\n").join(map(inline, (making if self.phase == "making" else asked.text[language]).split("\n"))))
        self.draw_options()
        self.put("#told", self.told_text())
        unit = asked.number.unit if asked.number else ""
        self.query_one("#number", Input).placeholder = self.t("quiz.type", unit=unit or self.t("quiz.a_number"))

    def asked_shown(self) -> dict[str, bool]:
        """Which parts of it are to be seen."""
        choice = self.asked is not None and self.asked.form == "choose"
        return {
            "#options": choice,
            "#number": self.phase == "type",
            "#told": self.grade is not None or (self.phase == "type" and (self.hinted or self.slip is not None)),
        }

    def focus_asked(self) -> None:
        """Give the keyboard to what takes the answer."""
        if self.phase in OPEN:
            self.query_one("#options" if self.phase == "choose" else "#number").focus()
        elif self.focused is not None and self.focused.id in ("options", "number"):
            self.set_focus(None)

    def draw_options(self) -> None:
        """The options, once told with their marks."""
        if self.asked is None:
            return
        options, asking = self.query_one("#options", OptionList), self.phase == "choose"
        here = options.highlighted
        options.clear_options()
        listed = self.asked if self.asked.form == "choose" else None
        for place, row in enumerate(self._rows(listed)):
            options.add_option(Option(row, id=str(place)))
        options.highlighted = (here if here is not None and here < options.option_count else 0) if asking else None

    def _rows(self, asked: Asked | None) -> Iterator[Content]:
        yield from option_rows(self.context, asked, self.grade, self.chosen, self._room()) if asked else ()

    def _room(self) -> int:
        """How wide an option may be: the pane without its padding and the bar."""
        width = self.app.size.width
        return max(20, (width // 2 if self.wide and self.grade is not None else width) - 4)

    def told_text(self) -> Content:
        """What is told: after an answer what is so, before it the hint, and what was wrong with what was typed."""
        return told(self.context, self.asked, self.grade, self.chosen, self.hinted, self.slip) if self.asked else Content("")

    # ------------------------------------------------------------------ answering

    async def action_choose(self, place: int) -> None:
        """Choose an option by its number."""
        if self.phase == "choose":
            await self.answer(Response((place,), seconds=self.seconds()))

    @on(OptionList.OptionSelected, "#options")
    async def _selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        await self.action_choose(int(event.option_id or 0))

    @on(Input.Submitted, "#number")
    async def _typed(self, event: Input.Submitted) -> None:
        event.stop()
        event.prevent_default()  # not a parameter, and nothing to run
        await self.answer(Response(typed=event.value, seconds=self.seconds(), hinted=self.hinted))

    def seconds(self) -> float:
        """How long the card has been asked."""
        return (self.context.clock() - self.asked_at).total_seconds()

    async def answer(self, response: Response) -> None:
        """Grade an answer, and tell what is so; what is none is told, and the card stays."""
        if self.asked is None:
            return
        try:
            self.grade = self.graded(self.asked, response)
        except AnswerError as error:
            self.slip = error
        else:
            self.chosen = response.typed.strip() or "".join(map(str, response.ticked))
            self.slip = None
            self.phase = "told"
            self.fill_proof()
        await self.show()

    def fill_proof(self) -> None:
        """What carries what was told, in the evidence panel."""
        if self.asked is not None:
            self.panel.fill([self._proof(self.asked)], self.asked.question.claim_kinds)

    def _proof(self, asked: Asked) -> EvidenceGroup:
        found, name = explain(asked, self.context.bank), self.t("quiz.proof")
        return support_group(self.context, found.support, name) if found.support else EvidenceGroup(found.claims, name)

    async def action_hint(self) -> None:
        """The first step of a calculation; a right answer then counts as hard."""
        if self.phase == "type":
            self.hinted = True
            await self.show()

    def asked_plain(self) -> str:
        """The card with what was told of it, as text to be copied."""
        if self.asked is None:
            return ""
        options = "\n".join(f"{n + 1} {option[self.context.language]}" for n, option in enumerate(self.asked.options))
        parts = (self.asked.text[self.context.language], options, self.told_text().plain)
        return "\n\n".join(part for part in parts if part) + "\n"

    def beside(self) -> Widget:
        """The question."""
        return self.query_one("#left")
