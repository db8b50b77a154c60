"""Help: every key, mark and number, made from the one command table."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from studyapp.tui.commands import ROOMS, bindings, of_room, sign
from studyapp.tui.figures import pad
from studyapp.tui.screens.base import Room
from studyapp.tui.widgets.keyline import KeyLine

SIGNS = (("✓", "proof"), ("✓✓", "live"), ("≈", "toy"), ("·", "cite"), ("✗", "broken"))
NUMBERS = ("due", "known", "recalled", "suggested")


class Help(Room):
    """A page to read."""

    room = "help"
    BINDINGS: ClassVar = bindings("help")

    def compose(self) -> ComposeResult:
        """One text."""
        yield Static(id="title", markup=False)
        with VerticalScroll(id="page"):
            yield Static(id="numbers", markup=False)
        yield KeyLine()

    async def show(self) -> None:
        """Write it in the language of now."""
        self.query_one("#title", Static).update(self.title_line(self.say("help.title")))
        parts = [self._heading("help.marks")]
        parts += [
            Content.assemble("  ", Content.styled(pad(m, 4), "bold"), self.say(f"help.mark_{k}")) for m, k in SIGNS
        ]
        parts += [
            Content(""),
            self._heading("help.numbers"),
            *(Content(f"  {self.say(f'help.number_{k}')}") for k in NUMBERS),
        ]
        for room in ROOMS:
            parts += [Content(""), self._heading(f"keys.room_{room}")]
            for command in of_room(room):
                keys = pad(" ".join(map(sign, command.keys.split(","))), 16)
                parts.append(Content.assemble("  ", Content.styled(keys, "bold"), self.say(command.word)))
        self.query_one("#numbers", Static).update(Content("\n").join(parts))
        self.footer()

    def _heading(self, key: str) -> Content:
        return Content.styled(self.say(key), "bold $accent")
