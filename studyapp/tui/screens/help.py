"""Help: every mark, number and key, made from the one command table."""

from typing import ClassVar

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.content import Content

from studyapp.lab.verdict import LEGEND
from studyapp.tui.commands import SCOPES, bindings, of_scope, sign
from studyapp.tui.keymap import keymap, with_keys
from studyapp.tui.marks import drawn
from studyapp.tui.screens.base import BaseScreen
from studyapp.tui.textgraphics import hanging, pad
from studyapp.tui.widgets.key_footer import KeyFooter
from studyapp.tui.widgets.layout import Static, VerticalScroll

NUMBERS = ("due", "known", "recalled", "suggested")
NAME = 18
"""Cells for a command's name, before what it does."""
ROOM_FOR_IDS = 110
MOST = 100
"""A line to read is no longer than so many cells."""


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

    async def on_resize(self) -> None:
        """Lines are as long as the terminal lets them be."""
        self._write()

    async def show(self) -> None:
        """Write it in the language of now."""
        self.query_one("#title", Static).update(self.title_line(self.t("help.title")))
        self._write()
        self.footer()

    def _write(self) -> None:
        width = min(MOST, self.size.width - 8)
        parts = [self._heading("help.marks")]
        for mark in LEGEND:
            sign_of = Content.styled(f"  {mark.text}", drawn(mark)[1])
            parts.append(hanging(sign_of, Content(mark.why(self.t)), width, 6))
        parts += [Content(""), self._heading("help.numbers")]
        parts += [hanging(Content("  "), Content(self.t(f"help.number_{k}")), width, 2) for k in NUMBERS]
        chosen = keymap(self.context.settings.keys)
        scopes = {scope: [(c, " ".join(map(sign, c.keys.split(",")))) for c in with_keys(of_scope(scope), chosen)] for scope in SCOPES}
        room = max(cell_len(keys) for commands in scopes.values() for _, keys in commands) + 1
        for scope, commands in scopes.items():
            parts += [Content(""), self._heading(f"keys.scope_{scope}")]
            for command, keys in commands:
                name = pad(self.t(command.text_key), NAME)
                head = Content.assemble("  ", Content.styled(pad(keys, room), "bold"), name, " ")
                about = Content(self.t(command.about_key))
                if self.size.width >= ROOM_FOR_IDS:  # what settings.toml calls it
                    about = Content.assemble(about, Content.styled(f"  {command.id}", "$foreground-muted"))
                parts.append(hanging(head, about, width, 3 + room + NAME))
        parts += [Content(""), hanging(Content("  "), Content(self.t("help.own_keys")), width, 2)]
        self.query_one("#numbers", Static).update(Content("\n").join(parts))

    def _heading(self, key: str) -> Content:
        return Content.styled(self.t(key), "bold $accent")
