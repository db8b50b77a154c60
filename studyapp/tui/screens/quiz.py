"""Quiz: choices and numbers one after another; after each what is so and what proves it, at the end the misses."""

from collections.abc import Sequence
from secrets import randbelow
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.widgets import OptionList

from studyapp.context import AppContext
from studyapp.errors import StudyError
from studyapp.quiz.kinds import Asked, Grade, Response
from studyapp.quiz.quiz import Quiz
from studyapp.quiz.registry import QUIZZED
from studyapp.tui.commands import bindings
from studyapp.tui.screens.asking import AFTERWARDS, OPEN, Asking
from studyapp.tui.screens.quiz_text import ending
from studyapp.tui.widgets.evidence_panel import EvidencePanel
from studyapp.tui.widgets.key_footer import KeyFooter
from studyapp.tui.widgets.layout import Horizontal, Pane, Static, Vertical
from studyapp.tui.widgets.session_end import SessionEnd

CARDS = 20


class QuizScreen(Asking):
    """A quiz over a topic, or over all; `phase` is also "done"."""

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
                yield from self.compose_asked()
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
        self.asked, self.pane = self.quiz.next(), "beside"
        self.put_card()
        if self.asked is None:
            self.phase = "done"
        await self.show()

    async def unmade(self, error: StudyError) -> None:
        """Leave the card out."""
        self.quiz.skip()
        await self.draw_next()

    def graded(self, asked: Asked, response: Response) -> Grade:
        """It counts towards the score."""
        return self.quiz.answer(asked, response)

    async def show(self) -> None:
        """Draw the card, and what is told of it, in the language of now."""
        with self.app.batch_update():
            self._head()
            self.draw_asked()
            self.place_panes()
        if self.phase == "done":
            self._end()
        elif self.phase in OPEN:
            self.focus_asked()
        else:
            self.set_focus(None)
        if self.panel.form.display:
            await self.panel.form.translate()
        self.footer()

    def _head(self) -> None:
        quiz = self.quiz
        parts = [self.t("quiz.title")]
        if self.asked is not None:
            parts += [self.context.title(self.asked.question.topic, short=True), self.asked.question.id]
        self.put("#title", self.title_line(*parts))
        place = self.t("quiz.place", n=min(len(quiz.answered) + (self.phase != "told"), len(quiz.cards)), of=len(quiz.cards))
        self.put("#counts", f"{place}   {self.t('quiz.so_far', right=quiz.right)}")

    # ------------------------------------------------------------------ panes

    def place_panes(self) -> None:
        """Question, options, field, evidence and end, each in its phase and pane."""
        answered, evidence = self.phase == "told", self.pane == "evidence"
        shown = {
            "#left": self.phase != "done" and (self.wide or not evidence),
            "#right": answered and (self.wide or evidence),
            "#done": self.phase == "done",
        }
        self.display_only(shown | self.asked_shown())
        self.query_one("#right").set_class(evidence, "-active")

    def on_resize(self) -> None:
        """There may be room for both now."""
        self.panel.single = not self.wide
        self.draw_options()
        self.place_panes()
        self.panel.show()

    def states(self) -> list[str]:
        """The evidence counts once it may be seen."""
        return super().states() if self.phase == "told" else [self.phase]

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Whatever shows evidence waits for the answer."""
        return self.phase == "told" or action not in AFTERWARDS

    # ------------------------------------------------------------------ keys

    async def action_go(self) -> None:
        """The next card, once this one is answered; back into the field where it was left."""
        if self.phase == "told":
            self.stop_run()
            await self.draw_next()
        elif self.phase == "type":
            self.focus_asked()

    def runnable(self) -> Sequence[str]:
        """The claims that prove what was told."""
        return self.panel.refs

    def action_copy(self) -> None:
        """The question with what was told of it, or the evidence, to the clipboard."""
        if self.asked is not None:
            self.copy(self.panel.text.plain() if self.pane == "evidence" else self.asked_plain())

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
