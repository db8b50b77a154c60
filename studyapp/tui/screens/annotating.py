"""Giving the question on a screen a star and a note."""

from collections.abc import Callable

from studyapp.bank.model import Question
from studyapp.errors import StudyError
from studyapp.reviews.annotations import Annotation
from studyapp.tui.screens.base import BaseScreen, tell_error

Annotate = Callable[..., Annotation]


class Annotating(BaseScreen):
    """A screen on which a question can be starred and noted."""

    def noted_question(self) -> Question | None:
        """The question that is meant; None where there is none."""
        raise NotImplementedError

    def annotate(self, question: Question, *, starred: bool | None = None, note: str | None = None) -> None:
        """Write it where this screen's undo will find it."""
        raise NotImplementedError

    async def action_star(self) -> None:
        """Give it a star, or take the star away."""
        if question := self.noted_question():
            with self.telling():
                starred = not self.context.annotation(question).starred
                self.annotate(question, starred=starred)
                self.tell(self.t("note.starred" if starred else "note.unstarred"))
                await self.show()

    def action_note(self) -> None:
        """Write a note on it, or go on with the one that is there."""
        from studyapp.tui.screens.note_editor import NoteEditor

        question = self.noted_question()
        if question is None:
            return

        def edit(text: str) -> None:
            self.app.push_screen(NoteEditor(self.context, question, text), keep)

        async def keep(text: str | None) -> None:
            try:
                before = self.context.annotation(question)
                self.annotate(question, note=text or "")
                if self.context.annotation(question) != before:
                    self.tell(self.t("note.kept" if text else "note.gone"))
                await self.show()
            except StudyError as error:  # what was typed is not thrown away
                tell_error(self.app, error, self.context.t)
                edit(text or "")

        with self.telling():
            edit(self.context.annotation(question).note)
