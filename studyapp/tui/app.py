"""The app: hands each screen its desk, obeys the screens' wishes, and starts the lab once the first frame stands."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from textual import on, work
from textual.app import App, SystemCommand
from textual.screen import Screen
from textual.theme import Theme

from studyapp.bank.model import Bank
from studyapp.errors import StudyError
from studyapp.lab.catalog import Catalog
from studyapp.lab.recorded import Recordings
from studyapp.memory.store import Store
from studyapp.settings import Settings
from studyapp.tui import wrap
from studyapp.tui.commands import COMMANDS, bindings
from studyapp.tui.desk import Clock, Desk
from studyapp.tui.screens.base import Room, tell_error
from studyapp.tui.screens.browse import Browse
from studyapp.tui.screens.help import Help
from studyapp.tui.screens.home import Home
from studyapp.tui.screens.lab import LabRoom
from studyapp.tui.screens.stats import Stats
from studyapp.tui.screens.study import Study
from studyapp.words import Words

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
THEMES = {"dark": "textual-dark", "light": LIGHT.name}


class StudyApp(App[None]):
    """Everything it needs comes in here; `saved` keeps changed settings, `lab_factory` makes a lab that is not started."""

    CSS_PATH = "studyapp.tcss"
    TITLE = "studyapp"
    BINDINGS: ClassVar = bindings("app")

    def __init__(
        self,
        bank: Bank,
        catalog: Catalog,
        recordings: Recordings,
        store: Store,
        settings: Settings,
        clock: Clock,
        lab_factory: Callable[[], Any],
        saved: Callable[[Settings], None] | None = None,
    ) -> None:
        super().__init__()
        wrap.install()
        words = Words.load(settings.language)
        self.desk = Desk(bank, catalog, recordings, store, settings, clock, lab_factory(), words, saved=saved)

    async def on_mount(self) -> None:
        """Home first; the lab after it is painted."""
        self.register_theme(LIGHT)
        self.theme = THEMES.get(self.desk.settings.theme, THEMES["dark"])
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            for number in (signal.SIGTERM, signal.SIGHUP):
                asyncio.get_running_loop().add_signal_handler(number, self.exit)
        if not self.is_headless and sys.__stdin__ is not None and sys.__stdin__.isatty():
            self.set_interval(1, self._follow_the_terminal)
        await self.push_screen(Home(self.desk))
        self.call_after_refresh(self._start_lab)

    @work(exclusive=True, group="lab-start", exit_on_error=False)
    async def _start_lab(self) -> None:
        await self.desk.lab.start()

    def _follow_the_terminal(self) -> None:
        """Leave when the window is closed; under `make` no signal tells of it, and input that is at its end keeps a core busy."""
        if sys.__stdin__ is not None and not sys.__stdin__.isatty():
            self.exit()

    async def on_unmount(self) -> None:
        """Leave no process behind."""
        await self.desk.lab.close()

    @on(Home.Study)
    def _study(self, wish: Home.Study) -> None:
        self.push_screen(Study(self.desk, wish.topic, wish.practice))

    @on(Home.Go)
    def _go(self, wish: Home.Go) -> None:
        match wish.to:
            case "lab":
                self.push_screen(LabRoom(self.desk))
            case "stats":
                self.push_screen(Stats(self.desk))
            case _:
                self.push_screen(Browse(self.desk, wish.topic, wish.to == "search"))

    def action_read(self, question: str) -> None:
        """Read a question, such as one that an interviewer asks next."""
        self.push_screen(Browse(self.desk, reading=question))

    def action_help(self) -> None:
        """Every key, mark and number."""
        if not isinstance(self.screen, Help):
            self.push_screen(Help(self.desk))

    @property
    def here(self) -> Room | None:
        """The room on top, where it is one."""
        return self.screen if isinstance(self.screen, Room) else None

    async def action_language(self) -> None:
        """The other language, everywhere."""
        self._change(language="zh" if self.desk.language == "en" else "en")
        if self.here:
            await self.here.show()
            self.here.footer()

    def action_theme(self) -> None:
        """Light or dark."""
        self._change(theme="light" if self.desk.settings.theme == "dark" else "dark")
        self.theme = THEMES[self.desk.settings.theme]

    def _change(self, **changes: str) -> None:
        """Change settings for this sitting; where they cannot be kept beyond it, say so."""
        try:
            self.desk.change(**changes)
        except StudyError as error:
            tell_error(self, error)

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """The palette, from the one table."""
        room = screen.room if isinstance(screen, Room) else ""
        for command in COMMANDS:
            if command.room in (room, "app") and command.action != "command_palette":
                yield SystemCommand(self.desk.words(command.word), command.sign, self._runner(command.target))

    def _runner(self, target: str) -> Callable[[], Any]:
        async def run() -> None:
            await self.run_action(target)

        return run
