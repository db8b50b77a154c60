"""Browse, Lab, Stats, Help, the palette and the one command table."""

import gc
from time import monotonic
from typing import Any

import pytest
from textual.widgets import Input, Static

from studyapp.i18n import Translations
from studyapp.tui.app import IDLE_SECONDS, NEVER
from studyapp.tui.commands import COMMANDS, SCOPES, key_table, of_scope, sign
from studyapp.tui.screens.browse import Browse
from studyapp.tui.screens.help import Help
from studyapp.tui.screens.home import Home
from studyapp.tui.screens.interview_start import InterviewStart
from studyapp.tui.screens.lab import LabScreen
from studyapp.tui.screens.models import Models
from studyapp.tui.screens.new_cards import NewCards
from studyapp.tui.screens.plan import PlanScreen
from studyapp.tui.screens.quiz import QuizScreen
from studyapp.tui.screens.stats import Stats
from studyapp.tui.screens.study import Study
from studyapp.tui.screens.write import WriteScreen

SIZES = [(80, 24), (140, 45)]


def text(app: Any, selector: str) -> str:
    """What a Static on the screen on top says."""
    return str(app.screen.query_one(selector, Static).content)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize(("key", "screen"), [("b", Browse), ("l", LabScreen), ("s", Stats), ("question_mark", Help)])
async def test_every_room_opens_from_home_and_speaks_both_languages(
    make_app: Any, size: Any, language: str, key: str, screen: type
) -> None:
    """A key opens the room, ctrl+l says it in the other language, and leaving comes home."""
    app = make_app(language=language)
    async with app.run_test(size=size) as pilot:
        await pilot.press(key)
        await pilot.pause()
        assert isinstance(app.screen, screen)
        before = text(app, "#title")
        await pilot.press("ctrl+l")
        await pilot.pause()
        assert text(app, "#title") != before
        await pilot.press("escape")
        await pilot.pause()
        assert isinstance(app.screen, Home)




@pytest.mark.parametrize("size", SIZES)
async def test_help_names_every_key_whole(make_app: Any, size: Any) -> None:
    """No key and no second key of a command is cut short in Help, however narrow it is."""
    app = make_app()
    async with app.run_test(size=size) as pilot:
        await pilot.press("question_mark")
        await pilot.pause()
        lines = [line.strip() for line in text(app, "#numbers").splitlines()]
        for command in COMMANDS:
            keys = " ".join(sign(key) for key in command.keys.split(","))
            assert any(line.startswith(f"{keys} ") for line in lines), command.id


async def test_light_and_dark_switch_and_are_kept(make_app: Any) -> None:
    """f3 changes the theme and hands the changed settings on."""
    app, kept = make_app(), []
    app.context.save = kept.append
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("f3")
        await pilot.pause()
        assert app.theme == "studyapp-light" and kept == [{"theme": "light"}]


async def test_the_palette_offers_the_commands_of_the_room(make_app: Any) -> None:
    """Each command of the room stands in the palette by its word."""
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        titles = {c.title for c in app.get_system_commands(app.screen)}
        assert {app.context.t(c.text_key) for c in of_scope("home")} <= titles


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_the_palette_asks_in_the_language_of_now(make_app: Any, language: str) -> None:
    """Its field says in the language of the app what may be typed."""
    app = make_app(language=language)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("ctrl+p")
        await pilot.pause()
        assert app.screen.query_one(Input).placeholder .startswith({"en": "A command", "zh": "命令"}[language])


async def test_a_footer_key_can_be_clicked(make_app: Any) -> None:
    """A click on the footer's «lab» goes to the lab."""
    app = make_app()
    async with app.run_test(size=(140, 45)) as pilot:
        await pilot.pause()
        line = app.screen.query_one("KeyFooter")
        await pilot.click("KeyFooter", offset=(str(line.content).index("\u00a0lab") + 3, 0))
        await pilot.pause()
        assert isinstance(app.screen, LabScreen)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_command_has_a_word_and_an_action(language: str) -> None:
    """Keys, palette, help and README can only name what exists."""
    words = Translations.load(language)
    screens = {"home": Home, "study": Study, "lab": LabScreen, "browse": Browse, "models": Models, "stats": Stats}
    rooms = screens | {"help": Help, "new_cards": NewCards, "write": WriteScreen, "quiz": QuizScreen}
    rooms |= {"plan": PlanScreen, "interview": InterviewStart}
    for command in COMMANDS:
        assert words(command.text_key)
        if command.scope != "app":
            assert hasattr(rooms[command.scope], f"action_{command.action.partition('(')[0]}"), command
    assert key_table(words).count("`") == 2 * sum(len(c.keys.split(",")) for c in COMMANDS)
    assert {c.scope for c in COMMANDS} == set(SCOPES)


async def test_no_key_waits_for_the_collector(make_app: Any, monkeypatch: Any) -> None:
    """All that was made is looked through once the keys have rested, once, and never between two of them; after the app as before."""
    before, app, collected = gc.get_threshold(), make_app(), []
    async with app.run_test() as pilot:
        await pilot.pause()
        await app.workers.wait_for_complete()
        assert gc.isenabled() and gc.get_threshold() == (*before[:2], NEVER)
        monkeypatch.setattr(gc, "collect", lambda *_: collected.append(True))
        await pilot.press("question_mark")
        assert monotonic() - app._used < IDLE_SECONDS
        app._collect()
        assert not collected
        app._used -= IDLE_SECONDS + 1
        app._collected = 0.0
        app._collect()
        app._collect()
        assert len(collected) == 1
    assert gc.get_threshold() == before and gc.isenabled()


def test_no_key_means_two_things_in_a_room() -> None:
    """Within a room, and against what holds everywhere, each key has one command."""
    for scope in SCOPES:
        keys = [k for c in COMMANDS if c.scope in {scope, "app"} for k in c.keys.split(",")]
        assert len(keys) == len(set(keys)), scope


