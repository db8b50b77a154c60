"""Help: every key, mark and number, made from the one command table."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from studyapp.lab.verdict import LEGEND
from studyapp.tui.commands import SCOPES, bindings, of_scope, sign
from studyapp.tui.marks import drawn
from studyapp.tui.screens.base import BaseScreen
from studyapp.tui.textgraphics import pad
from studyapp.tui.widgets.key_footer import KeyFooter

NUMBERS = ("due", "known", "recalled", "suggested")


class Help(BaseScreen):
    """A page to read."""

    scope = "help"
    BINDINGS: ClassVar = bindings("help")

    def compose(self) -> ComposeResult:
        """One text."""
        yield Static(id="title", markup=False)
        with VerticalScroll(id="page"):
            yield Static(id="numbers", markup=False)
        yield KeyFooter()

    async def show(self) -> None:
        """Write it in the language of now."""
        self.query_one("#title", Static).update(self.title_line(self.t("help.title")))
        parts = [self._heading("help.marks")]
        parts += [
            Content.assemble("  ", Content.styled(pad(m.text, 4), drawn(m)[1]), m.why(self.t)) for m in LEGEND
        ]
        parts += [
            Content(""),
            self._heading("help.numbers"),
            *(Content(f"  {self.t(f'help.number_{k}')}") for k in NUMBERS),
        ]
        for scope in SCOPES:
            parts += [Content(""), self._heading(f"keys.scope_{scope}")]
            for command in of_scope(scope):
                keys = pad(" ".join(map(sign, command.keys.split(","))), 16)
                parts.append(Content.assemble("  ", Content.styled(keys, "bold"), self.t(command.text_key)))
        self.query_one("#numbers", Static).update(Content("\n").join(parts))
        self.footer()

    def _heading(self, key: str) -> Content:
        return Content.styled(self.t(key), "bold $accent")
