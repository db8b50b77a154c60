"""What a learner does with a card beside rating it: turn to its evidence, copy, edit, put away, take back, leave."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from textual.events import Resize
from textual.widget import Widget

from studyapp.bank.model import Question
from studyapp.context import AppContext
from studyapp.render.acts import describe
from studyapp.render.document import Document
from studyapp.reviews.acts import Act
from studyapp.reviews.cards import CardState
from studyapp.reviews.log import ANNOTATIONS
from studyapp.tui.screens.annotating import Annotating
from studyapp.tui.screens.asking import AFTERWARDS, Asking
from studyapp.tui.screens.sitting_end import SittingEnd
from studyapp.tui.screens.writing import Writing
from studyapp.tui.widgets.answers import Answer
from studyapp.tui.widgets.outline import Outline


@dataclass(frozen=True)
class LastReview:
    """What the learner said of a card the last time: the outline, and the points that were not ticked."""

    outline: str
    missed: frozenset[int]


class CardActions(Annotating, Writing, SittingEnd, Asking):
    """A screen with a card on it, of a session."""

    card: CardState | None
    question: Question | None
    document: Document | None = None
    """The question as it is drawn, with the marks of now."""

    def __init__(self, context: AppContext) -> None:
        super().__init__(context)
        self.last: LastReview | None = None

    @property
    def revealed(self) -> bool:
        """Whether the answer may be seen."""
        return self.phase in ("brief", "full", "told")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Whatever shows the answer waits for it."""
        return self.revealed or action not in AFTERWARDS

    # ------------------------------------------------------------------ the two panes

    def beside(self) -> Widget:
        """The answer."""
        return self.query_one("#left")

    def on_resize(self, event: Resize) -> None:
        """Keep the place in both panes."""
        places = [(p, p.scroll_y / p.max_scroll_y) for p in (self.beside(), self.panel.pane) if p.max_scroll_y]
        self.panel.single = event.size.width < self.WIDE
        self.place_panes()
        self.panel.show()

        def restore() -> None:
            for pane, share in places:
                pane.scroll_to(y=round(share * pane.max_scroll_y), animate=False)

        self.call_after_refresh(restore)

    # ------------------------------------------------------------------ evidence

    def runnable(self) -> Sequence[str]:
        """Every claim of the card, or those that carry what was told."""
        return self.panel.refs if self.phase == "told" else self.question.claims if self.question else ()

    async def action_parameters(self) -> None:
        """The form of the demo on show, beside its evidence."""
        self.to_pane("evidence")
        await super().action_parameters()

    async def ran(self) -> None:
        """Mark what now held here."""
        if self.question and self.phase in ("brief", "full"):
            self.document = self.context.document(self.question)
            self.query_one(Answer).fill_rest(self.context, self.document)
            self._here()

    def _here(self) -> None:
        raise NotImplementedError

    def exercises(self) -> Sequence[str]:
        """The functions that the question asks for."""
        return self.question.write if self.question else ()

    # ------------------------------------------------------------------ copying and editing

    def action_copy(self) -> None:
        """The question with its answer, or the evidence where that is the pane, to the clipboard."""
        question, language = self.question, self.context.language
        if question is None:
            return
        if self.pane == "evidence":
            text = self.panel.text.plain()
        elif self.phase == "told":
            text = self.asked_plain()
        else:
            points = "\n".join(f"- {p[language]}" for p in question.points)
            parts = (f"# {question.ask[language]}", question.brief[language], points, question.answer[language])
            text = "\n\n".join(part.strip() for part in parts) + "\n"
        self.copy(text)

    async def action_edit(self) -> None:
        """Open the question's file in the learner's editor."""
        if self.question and self.edited(self.question.path):
            self.context.reload_bank()
            if self.card and (asked := self.context.ask(self.card)):
                if asked.form != "say":  # what was asked may not be there any more
                    await self.draw_next()
                    return
                self.asked, self.question = asked, asked.question
            await self.show()

    def noted_question(self) -> Question | None:
        """The card's."""
        return self.question

    def annotate(self, question: Question, *, starred: bool | None = None, note: str | None = None) -> None:
        """In the sitting, whose undo takes it back."""
        self.session.annotate(question.card_id, self.context.clock(), starred=starred, note=note)
        self.acted = True

    # ------------------------------------------------------------------ putting away and taking back

    async def _undo_or_redo(self, turn: Callable[[datetime], Act | None], done: str, nothing: str) -> None:
        with self.telling():
            act = turn(self.context.clock())
            self.tell(self.t(done, what=describe(self.context.t, act)) if act else self.t(nothing))
            if act and act.kind in ANNOTATIONS:
                await self.show()
            elif act:
                self.stop_run()
                if question := self.context.question_of(act.card):
                    self.answered.pop(question.id, None)
                await self.draw_next()

    async def action_undo(self) -> None:
        """Take the last answer back."""
        await self._undo_or_redo(self.session.undo, "study.undone", "study.nothing_to_undo")

    async def action_redo(self) -> None:
        """Do again what was taken back last."""
        await self._undo_or_redo(self.session.redo, "study.redone", "study.nothing_to_redo")

    async def _hide_card(self, act: Callable[[str, datetime], object], done: str) -> None:
        if self.card is None:
            return
        with self.telling():
            act(self.card.card, self.context.clock())
            self.acted = True
            self.tell(self.t(done))
            await self.draw_next()

    async def action_suspend(self) -> None:
        """Never ask this again, until asked to."""
        await self._hide_card(self.session.suspend, "study.suspended")

    async def action_bury(self) -> None:
        """Not today."""
        await self._hide_card(self.session.bury, "study.buried")

    # ------------------------------------------------------------------ leaving

    async def action_leave(self) -> None:  # type: ignore[override]
        """Stop a run; else leave a field; else close the form; else go home, the card kept as it is."""
        if self.query_one(Outline).writing:
            self.set_focus(None)
        elif self.halt() or self.leave_field():
            return
        elif self.panel.form.display:
            self.panel.form.close()
        else:
            self.keep_draft()
            super().action_leave()

    def keep_draft(self) -> None:
        """Keep how far the learner had come with the card."""
        raise NotImplementedError
