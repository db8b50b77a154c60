"""The footer: only the keys that matter now, each of them clickable."""

from collections.abc import Callable, Iterable

from textual.content import Content
from textual.events import Click
from textual.style import Style

from studyapp.tui.commands import Command
from studyapp.tui.widgets.layout import Static


def footer_content(commands: Iterable[Command], words: Callable[[str], str]) -> Content:
    """`key name` pairs in one line; a click does what the key does."""
    return keys_content((c.label, words(c.text_key), c.target) for c in commands)


def keys_content(keys: Iterable[tuple[str, str, str]]) -> Content:
    """Sign, name and action of each key in one line."""
    parts = [
        Content.assemble(
            Content.styled(sign, "bold $accent"),
            f"\u00a0{name}".replace(" ", "\u00a0"),
        ).stylize(Style.from_meta({"command": target}))
        for sign, name, target in keys
    ]
    return Content("  ").join(parts)


class KeyFooter(Static):
    """One or two lines of keys at the bottom of a screen."""

    DEFAULT_CSS = "KeyFooter { dock: bottom; height: auto; padding: 0 1; max-height: 2; color: $text-muted; background: $panel; }"

    async def on_click(self, event: Click) -> None:
        """Do what the key under the pointer does. Not by Textual's own links: they would all be drawn alike."""
        if target := event.style.meta.get("command"):
            await self.run_action(target)
