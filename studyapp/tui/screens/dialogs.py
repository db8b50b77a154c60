"""Two windows over the card: the parameters of a demo as a form, and its code."""

from collections.abc import Mapping
from typing import Any, ClassVar

from rich.syntax import Syntax
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from studyapp.context import AppContext
from studyapp.errors import DemoError
from studyapp.lab.demo import Claim, Demo
from studyapp.tui.widgets.parameter_form import ParameterForm


class ParameterDialog(ModalScreen[dict[str, Any] | None]):
    """Ask for the values of a demo's parameters; None where the learner thought better of it."""

    AUTO_FOCUS = "Input"
    BINDINGS: ClassVar = [("escape", "dismiss_none", "")]

    def __init__(self, context: AppContext, demo: Demo, given: Mapping[str, Any]) -> None:
        super().__init__()
        self.context, self.demo, self.given = context, demo, given

    def compose(self) -> ComposeResult:
        """A line a parameter."""
        with Vertical(id="form"):
            yield Static(f"{self.context.t('lab.parameters')} · {self.demo.name}", classes="heading", markup=False)
            with VerticalScroll(can_focus=False):
                yield ParameterForm(self.demo, self.given)
            yield Static(id="problem", markup=False)
            yield Static(self.context.t("lab.parameters_hint"), classes="note", markup=False)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter runs, if every value can be read."""
        event.stop()
        try:
            self.dismiss(self.query_one(ParameterForm).values())
        except DemoError as error:
            self.query_one("#problem", Static).update(f"{error.message}; {error.hint}")

    def action_dismiss_none(self) -> None:
        """Leave without running."""
        self.dismiss(None)


class CodeView(ModalScreen[None]):
    """A demo's source, at a claim."""

    BINDINGS: ClassVar = [("escape,q,c", "dismiss", "")]

    def __init__(self, context: AppContext, demo: Demo, claim: Claim | None) -> None:
        super().__init__()
        self.context, self.demo, self.claim = context, demo, claim

    def compose(self) -> ComposeResult:
        """The path, then the code."""
        with Vertical(id="codeview"):
            yield Static(str(self.demo.path), classes="heading", markup=False)
            with VerticalScroll(id="code-scroll"):
                yield Static(code(self.demo, self.claim, self.context.settings.theme), id="code")

    def on_mount(self) -> None:
        """Go to the claim."""
        line = (self.claim.line if self.claim else 1) - 1
        scroll = self.query_one("#code-scroll")
        self.call_after_refresh(scroll.scroll_to, y=max(0, line - 2), animate=False)
        scroll.focus()


def code(demo: Demo, claim: Claim | None, theme: str) -> Syntax:
    """A demo's source, highlighted, with the line of a claim marked."""
    lit = {claim.line} if claim else set()
    look = "ansi_light" if theme == "light" else "ansi_dark"
    return Syntax(demo.source, "python", theme=look, line_numbers=True, highlight_lines=lit, word_wrap=False)
