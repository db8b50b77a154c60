"""The app: hands each screen its context, obeys the screens' wishes, and starts the lab once the first frame stands."""

import gc
from collections.abc import Callable, Iterable
from importlib import import_module
from time import monotonic
from typing import Any, ClassVar

from textual import on, work
from textual.app import App, SystemCommand
from textual.command import CommandPalette
from textual.events import Event, InputEvent
from textual.screen import Screen
from textual.theme import Theme
from textual.worker import get_current_worker

from studyapp.context import AppContext
from studyapp.errors import StudyError
from studyapp.tui import palette, wrap
from studyapp.tui.commands import bindings
from studyapp.tui.exit_guard import ExitGuard
from studyapp.tui.keymap import keymap
from studyapp.tui.screens.base import BaseScreen, tell_error
from studyapp.tui.screens.home import Home

LIGHT = Theme(
    "studyapp-light",
    primary="#8a4500",
    accent="#8a4500",  # Textual's own orange cannot be read on a light ground
    success="#1d7038",
    warning="#7a5200",
    error="#a3223f",
    foreground="#1e1e1e",
    background="#faf8f4",
    surface="#f1eee8",
    panel="#e8e4dc",
    dark=False,
)
SOON = ("studyapp.tui.screens.study", "studyapp.tui.screens.browse", "studyapp.tui.screens.lab", "plotext")
NEVER = 1 << 30
"""Collections of the younger generations after which the oldest is looked through as well."""
IDLE_SECONDS = 2.0
THEMES = {"dark": "textual-dark", "light": LIGHT.name}


class StudyApp(App[None]):
    """The interface over one AppContext; the lab in it is not started yet."""

    CSS_PATH = "studyapp.tcss"
    TITLE = "studyapp"
    BINDINGS: ClassVar = bindings("app")
    COMMANDS = App.COMMANDS | {palette.Questions}

    def __init__(
        self,
        context: AppContext,
        interview: tuple[int, tuple[str, ...], str] | None = None,
        only: list[str] | None = None,
    ) -> None:
        """Opens at Home or, with minutes, topics and level of one, at a mock interview; with `only` at these questions."""
        super().__init__()
        self._interview, self._only = interview, only
        self._used = self._collected = 0.0
        self._threshold = gc.get_threshold()
        gc.disable()  # until the first frame stands: all that is made for it stays
        wrap.install()
        self.context = context
        self.guard = ExitGuard(self.exit, self._kill_lab)
        self.register_theme(LIGHT)
        self.theme = THEMES.get(context.settings.theme, THEMES["dark"])  # before any style is read
        self.set_keymap(keymap(context.settings.keys))

    async def on_mount(self) -> None:
        """Home first; the lab after it is painted."""
        if not self.is_headless:
            self.guard.watch()
        await self.push_screen(Home(self.context))
        if self._interview is not None:
            from studyapp.tui.screens.interview_start import InterviewStart

            start = InterviewStart(self.context, *self._interview)
            await self.push_screen(start)
            start.action_begin()
        if self._only:
            from studyapp.tui.screens.study import Study

            await self.push_screen(Study(self.context, only=self._only))
        self.call_after_refresh(self._start_lab)
        self.call_after_refresh(self._load_screens)
        self.set_interval(IDLE_SECONDS, self._collect)
        if self.context.in_background:
            self.call_after_refresh(self._maintain)

    def action_command_palette(self) -> None:
        """The palette, its field in the language of now."""
        if not isinstance(self.screen, CommandPalette):
            self.push_screen(CommandPalette(placeholder=self.context.t("palette.search"), id="--command-palette"))

    def push_screen(self, screen: Any, *args: Any, **kwargs: Any) -> Any:
        """Tell a screen how wide it will be before it is first styled: learning it later styles and lays out all of it again."""
        if isinstance(screen, BaseScreen):
            screen.set_class(self.size.width >= screen.WIDE, "-wide").set_class(self.size.width < screen.WIDE, "-narrow")
        return super().push_screen(screen, *args, **kwargs)

    @work(exclusive=True, group="lab-start", exit_on_error=False)
    async def _start_lab(self) -> None:
        await self.context.lab.start()

    @work(exclusive=True, group="screens", exit_on_error=False, thread=True)
    def _load_screens(self) -> None:
        """The code of the screens that come next: nothing that Home's first frame should wait for."""
        for name in SOON:
            import_module(name)
        self.context.search  # noqa: B018  made ready, so that Browse need not
        self.context.catalog.demos.summaries()  # and the Lab's list
        if get_current_worker().is_cancelled:
            return
        young, middle, _ = gc.get_threshold()
        gc.set_threshold(young, middle, NEVER)
        gc.enable()
        gc.freeze()  # bank and code stay for good: looking through them again and again would hold a key up

    async def on_event(self, event: Event) -> None:
        """Note when a key or the mouse was used last."""
        if isinstance(event, InputEvent):
            self._used = monotonic()
        await super().on_event(event)

    def _collect(self) -> None:
        """Look through all that was made since: tens of milliseconds, which no key waits for."""
        if self._used > self._collected and monotonic() - self._used > IDLE_SECONDS:
            self._collected = monotonic()
            gc.collect()

    @work(exclusive=True, group="maintenance", exit_on_error=False, thread=True)
    def _maintain(self) -> None:
        """Check a large file and make the day's backup, beside the first question; Home says what went wrong."""
        store, now = self.context.store, self.context.clock()
        try:
            notices = store.maintenance(now)
        except StudyError as error:
            notices = [text for text in (error.message, error.hint) if text]
        if notices:
            store.notices += notices
            self.call_from_thread(self._tell_notices)

    def _tell_notices(self) -> None:
        if isinstance(self.screen, Home):
            self.screen.call_later(self.screen.show)

    def exit(self, *args: Any, **kwargs: Any) -> None:
        """Leave; a second and a half later at the latest, whatever the terminal does."""
        if not self.is_headless:
            self.guard.leaving()
        super().exit(*args, **kwargs)

    def _kill_lab(self) -> None:
        """The lab's end when there is no time for a better one; what was never asked for is not made for it."""
        if "lab" in self.context.__dict__:
            self.context.lab.kill()

    async def on_unmount(self) -> None:
        """Leave no process behind, no thread that asyncio would wait for, and the collector as it was found."""
        gc.enable()
        gc.unfreeze()
        gc.set_threshold(*self._threshold)
        if "store" in self.context.__dict__:
            self.context.store.stop_maintenance()
        if "lab" in self.context.__dict__:
            await self.context.lab.close()

    @on(Home.Study)
    def _study(self, wish: Home.Study) -> None:
        from studyapp.tui.screens.study import Study

        self.push_screen(Study(self.context, wish.topic, wish.practice))

    @on(Home.Go)
    def _go(self, wish: Home.Go) -> None:
        match wish.to:
            case "lab":
                from studyapp.tui.screens.lab import LabScreen

                self.push_screen(LabScreen(self.context))
            case "models":
                self.action_models()
            case "quiz":
                from studyapp.tui.screens.quiz import QuizScreen

                with self.screen.telling():  # type: ignore[attr-defined]
                    self.push_screen(QuizScreen(self.context, wish.topic))
            case "new_cards":
                from studyapp.tui.screens.new_cards import NewCards

                self.push_screen(NewCards(self.context))
            case "interview":
                from studyapp.tui.screens.interview_start import InterviewStart

                self.push_screen(InterviewStart(self.context))
            case "plan":
                from studyapp.tui.screens.plan import PlanScreen

                self.push_screen(PlanScreen(self.context))
            case "stats":
                from studyapp.tui.screens.stats import Stats

                self.push_screen(Stats(self.context))
            case _:
                from studyapp.tui.screens.browse import Browse

                self.push_screen(Browse(self.context, wish.topic, wish.to == "search"))

    def action_read(self, question: str) -> None:
        """Read a question, such as one that an interviewer asks next."""
        from studyapp.tui.screens.browse import Browse

        self.push_screen(Browse(self.context, reading=question))

    def action_models(self) -> None:
        """The table of models: of those that the question on the screen names in its `today`, else of all."""
        if self.here and self.here.scope == "models":
            return
        from studyapp.tui.screens.models import Models

        question = getattr(self.screen, "question", None)
        if question is not None and question.today and question.today.models:
            self.push_screen(Models(self.context, question.today.models, question.topic))
        else:
            self.push_screen(Models(self.context))

    def action_help(self) -> None:
        """Every key, mark and number."""
        if not (self.here and self.here.scope == "help"):
            from studyapp.tui.screens.help import Help

            self.push_screen(Help(self.context))

    @property
    def here(self) -> BaseScreen | None:
        """The room on top, where it is one."""
        return self.screen if isinstance(self.screen, BaseScreen) else None

    async def action_language(self) -> None:
        """The other language, everywhere."""
        self._change(language="zh" if self.context.language == "en" else "en")
        if self.here:
            await self.here.show()
            self.here.footer()

    def action_theme(self) -> None:
        """Light or dark."""
        self._change(theme="light" if self.context.settings.theme == "dark" else "dark")
        self.theme = THEMES[self.context.settings.theme]

    def _change(self, **changes: str) -> None:
        """Change settings for this sitting; where they cannot be kept beyond it, say so."""
        try:
            self.context.change(**changes)
        except StudyError as error:
            tell_error(self, error, self.context.t)

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """The palette's commands, from the one table."""
        return palette.commands(self.context, screen.scope if isinstance(screen, BaseScreen) else "", self._runner)

    def _runner(self, target: str) -> Callable[[], Any]:
        async def run() -> None:
            await self.run_action(target)

        return run
