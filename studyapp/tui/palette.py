"""The palette: the commands of the screen, each with its key and what it does, and every question by its words."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Protocol, cast

from textual.app import SystemCommand
from textual.command import Hit, Hits, Provider
from textual.content import Content

from studyapp.context import AppContext
from studyapp.tui.commands import COMMANDS
from studyapp.tui.keymap import keymap, with_keys

MOST_QUESTIONS = 12


def commands(context: AppContext, scope: str, run: Callable[[str], Callable[[], Any]]) -> Iterable[SystemCommand]:
    """The commands that hold in a scope; `run` makes what carries a command's action out."""
    for command in with_keys(COMMANDS, keymap(context.settings.keys)):
        if command.scope in (scope, "app") and command.action != "command_palette":
            about = f"{command.label} · {context.t(command.about_key)}"
            yield SystemCommand(context.t(command.text_key), about, run(command.target))


class Reader(Protocol):
    """The app, as far as the palette needs it: named here so that neither imports the other."""

    context: AppContext

    def action_read(self, question_id: str) -> Any: ...


class Questions(Provider):
    """The questions that hold the words typed, the best hits first; choosing one reads it."""

    async def search(self, query: str) -> Hits:
        """As Browse searches."""
        app = cast(Reader, self.app)
        hits = app.context.search(query)[:MOST_QUESTIONS] if query.strip() else []
        for place, question in enumerate(hits):
            ask = question.ask[app.context.language]
            yield Hit(0.5 - 0.01 * place, Content(ask), partial(app.action_read, question.id), ask, question.id)
