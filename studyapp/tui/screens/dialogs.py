"""A window over the card: the code of a demo."""

from typing import ClassVar

from rich.syntax import Syntax
from textual.app import ComposeResult
from textual.screen import ModalScreen

from studyapp.context import AppContext
from studyapp.lab.demo import Claim, Demo
from studyapp.tui.widgets.layout import Static, Vertical, VerticalScroll


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
