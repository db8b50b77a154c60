"""A window over the card: the learner's note on it."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static, TextArea

from studyapp.bank.model import Question
from studyapp.context import AppContext


class NoteEditor(ModalScreen[str]):
    """A field with the note; leaving it gives what stands there."""

    BINDINGS: ClassVar = [("escape,ctrl+s", "keep", "")]

    def __init__(self, context: AppContext, question: Question, text: str) -> None:
        super().__init__()
        self.context, self.question, self.text = context, question, text

    def compose(self) -> ComposeResult:
        """The question, the field, how to leave it."""
        with Vertical(id="note-window"):
            yield Static(self.question.ask[self.context.language], classes="heading", markup=False)
            yield TextArea(self.text, id="note", tab_behavior="focus")
            yield Static(self.context.t("note.keys"), id="note-keys", markup=False)

    def on_mount(self) -> None:
        """Write on where the note ends."""
        field = self.query_one(TextArea)
        field.focus()
        field.move_cursor(field.document.end)

    def action_keep(self) -> None:
        """Close the window; what stands in the field is the note."""
        self.dismiss(self.query_one(TextArea).text)
