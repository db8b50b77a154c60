"""What all screens share: the context, the words, the footer, and drawing again after a change of language."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, ClassVar

from textual.app import App
from textual.content import Content
from textual.css.query import NoMatches
from textual.screen import Screen
from textual.widget import Widget

from studyapp.context import AppContext
from studyapp.errors import StudyError
from studyapp.i18n import Translations
from studyapp.tui.commands import shown
from studyapp.tui.keymap import keymap, with_keys
from studyapp.tui.widgets.key_footer import KeyFooter, footer_content
from studyapp.tui.widgets.layout import Static


def tell_error(app: App[Any], error: StudyError, t: Translations) -> None:
    """A word to the learner on what could not be done."""
    app.notify("\n".join(t.message(text) for text in (error.message, error.hint) if text), severity="error", markup=False, timeout=10)


PAINT_SECONDS = 0.05
STEP = 3


class BaseScreen(Screen[Any]):
    """A screen of the app; `scope` names its commands, `phase` what the footer shows."""

    BLANK: ClassVar[bool] = True  # its ground is one line, drawn once
    scope: ClassVar[str] = "app"
    WIDE: ClassVar[int] = 110
    HORIZONTAL_BREAKPOINTS: ClassVar[list[tuple[int, str]] | None] = [(0, "-narrow"), (WIDE, "-wide")]  # type: ignore[misc]

    def __init__(self, context: AppContext) -> None:
        super().__init__()
        self.context = context
        self.phase = ""
        self._painting = False

    def t(self, key: str, **values: Any) -> str:
        """A word of this language."""
        return self.context.t(key, **values)

    def footer(self) -> None:
        """Show the keys of the moment."""
        commands = with_keys(shown(self.scope, self.phase), keymap(self.context.settings.keys))
        with suppress(NoMatches):
            self.query_one(KeyFooter).update(footer_content(commands, self.key_text))

    def key_text(self, key: str) -> str:
        """The name of a command in the footer, by its key in i18n."""
        return self.t(key)

    def count(self, key: str, n: int, **values: Any) -> str:
        """A text with a number in it, in the form that the number asks for."""
        return self.context.t.count(key, n, **values)

    def put(self, selector: str, content: Content | str) -> None:
        """Write into a Static, where it does not say that already: an update lays the screen out."""
        place = self.query_one(selector, Static)
        if place.content != content:
            place.update(content)

    def tell(self, text: str) -> None:
        """A passing word to the learner."""
        self.app.clear_notifications()  # one at a time: a pile of them would lie over the card
        self.notify(text, markup=False, timeout=4)

    @contextmanager
    def telling(self) -> Iterator[None]:
        """What cannot be done is told, with the way to mend it, and the app goes on."""
        try:
            yield
        except StudyError as error:
            tell_error(self.app, error, self.context.t)

    async def show(self) -> None:
        """Draw everything again, in the language of now."""

    async def begin(self) -> None:
        """What is done once, when the screen opens: draw."""
        await self.show()

    async def on_mount(self) -> None:
        """Begin, and show the keys."""
        await self.begin()
        self.footer()

    def action_leave(self) -> None:
        """Go back to where the learner came from."""
        if len(self.app.screen_stack) > 2:
            self.app.pop_screen()

    def paint_soon(self, paint: Callable[[], None]) -> None:
        """Paint within a moment, once for all that came until then: events come faster than a screen need be drawn."""
        if not self._painting:
            self._painting = True
            self.set_timer(PAINT_SECONDS, partial(self._paint, paint))

    def _paint(self, paint: Callable[[], None]) -> None:
        self._painting = False
        paint()

    def scrolled(self) -> Widget:
        """What the keys scroll."""
        raise NotImplementedError

    def action_scroll(self, by: int) -> None:
        """Scroll a few lines."""
        self.scrolled().scroll_relative(y=by * STEP, animate=False)

    def action_page(self, by: int) -> None:
        """Scroll a page, less two lines to hold on to."""
        pane = self.scrolled()
        pane.scroll_relative(y=by * max(STEP, pane.size.height - 2), animate=False)

    def title_line(self, *parts: str) -> Content:
        """The line at the top."""
        head, *rest = parts
        return Content.assemble(
            Content.styled(head, "bold $accent"), *(Content.styled(f" · {p}", "$foreground-muted") for p in rest if p)
        )
