"""Keys of the learner's own, the palette, and that every text is used."""

import re
import tomllib
from pathlib import Path
from typing import Any, get_args

import pytest
from textual.command import CommandPalette
from textual.widgets import Static

import studyapp
from studyapp.errors import SettingsError
from studyapp.evidence.types import OutcomeState
from studyapp.i18n import Translations
from studyapp.settings import Settings, edit_settings, load_settings
from studyapp.tui.commands import COMMANDS, SCOPES
from studyapp.tui.keymap import keymap, with_keys
from studyapp.tui.palette import Questions
from studyapp.tui.screens.browse import Browse
from studyapp.tui.screens.help import Help
from studyapp.tui.screens.stats import Stats


async def test_a_key_of_one_s_own_does_what_its_command_does(make_app: Any) -> None:
    """After [keys] gives Stats another key that key opens it, its old key does not, and footer and Help name the new one."""
    app = make_app(keys={"home.stats": "x", "app.help": "f9"})
    async with app.run_test(size=(140, 60)) as pilot:
        await pilot.press("s")
        await pilot.pause()
        assert not isinstance(app.screen, Stats)
        footer = str(app.screen.query_one("KeyFooter", Static).content).replace("\u00a0", " ")
        assert "x stats" in footer and "s stats" not in footer
        await pilot.press("x")
        await pilot.pause()
        assert isinstance(app.screen, Stats)
        await pilot.press("f9")
        await pilot.pause()
        assert isinstance(app.screen, Help)
        assert re.search(r"\n  x +stats +what you recall.* home.stats\n", str(app.screen.query_one("#numbers", Static).content))


@pytest.mark.parametrize(
    ("chosen", "named"),
    [
        ({"home.stat": "x"}, ("home.stat", "home.stats")),
        ({"home.stats": "b"}, ("home.stats", "home.browse")),
        ({"home.stats": "f1"}, ("home.stats", "app.help")),
        ({"home.stats": "?"}, ("home.stats", "app.help")),
        ({"home.stats": "x", "home.lab": "x"}, ("home.stats", "home.lab")),
        ({"home.stats": "clrt+x"}, ("home.stats", "clrt+x")),
        ({"home.stats": " "}, ("home.stats", "not a key")),
    ],
)
def test_a_key_that_cannot_be_is_refused_with_what_is_in_its_way(chosen: dict[str, str], named: tuple[str, str]) -> None:
    """A command or key that there is not, and a key that would mean two things, are told by both names."""
    with pytest.raises(SettingsError) as told:
        keymap(chosen)
    assert all(name in f"{told.value.message} {told.value.hint}" for name in named)


def test_two_commands_can_change_places() -> None:
    """A key is free once its command has another."""
    found = keymap({"home.stats": "b", "home.browse": "s"})
    assert found == {"home.stats": "b", "home.browse": "s"}
    assert {c.label for c in with_keys(COMMANDS, found) if c.id == "home.stats"} == {"b"}


def test_a_key_is_written_as_help_writes_it() -> None:
    """«esc», «?» and «↑» are understood as well as Textual's own names."""
    assert keymap({"home.stats": "↑, !"}) == {"home.stats": "up,exclamation_mark"}
    assert keymap({"stats.leave": "esc,q"}) == {"stats.leave": "escape,q"}


def test_keys_are_read_from_the_file_and_kept_in_it(tmp_path: Path) -> None:
    """The table [keys] comes back as it was written; what is no table of texts is refused."""
    path = tmp_path / "settings.toml"
    path.write_text('[keys]\n"study.undo" = "z"\n')
    settings = load_settings(path)
    assert settings.keys == {"study.undo": "z"}
    edit_settings(path, {"theme": "light"})
    assert tomllib.loads(path.read_text()) == {"theme": "light", "keys": {"study.undo": "z"}}
    for wrong in ("keys = 3", "keys = {'study.undo' = 3}"):
        path.write_text(wrong)
        with pytest.raises(SettingsError, match="keys"):
            load_settings(path)
    assert Settings().keys == {}


async def test_the_palette_says_what_each_command_does_and_finds_questions(make_app: Any) -> None:
    """Each command with its key and a line; a word of a question leads to the question."""
    app = make_app()
    async with app.run_test(size=(100, 40)) as pilot:
        told = {c.title: c.help for c in app.get_system_commands(app.screen)}
        assert told["stats"] == f"s · {app.context.t('about.home_stats')}"
        await pilot.press("ctrl+p", *"third")
        await pilot.pause(0.5)
        assert isinstance(app.screen, CommandPalette)
        await pilot.press("down", "enter")
        await pilot.pause(0.3)
        assert isinstance(app.screen, Browse) and app.screen.question.id == "third"
        hits = [hit async for hit in Questions(app.screen).search("third")]
        assert [hit.help for hit in hits] == ["third"]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_command_says_what_it_does(language: str) -> None:
    """Each has a line for the palette and for Help."""
    words = Translations.load(language)
    assert all(words(c.about_key) for c in COMMANDS)


def test_no_text_is_unused() -> None:
    """Each key of i18n is said somewhere in the code, whole or put together from words that stand there."""
    root = Path(studyapp.__file__).parent
    source = "\n".join(p.read_text("utf-8") for p in sorted(root.rglob("*.py")))
    literal = set(re.findall(r"[\"']([a-z_]+\.[\w.-]+)[\"']", source))
    words = {re.sub(r"[-+]", "_", word) for word in re.findall(r"[\"']([\w+-]+)[\"']", source)}
    words |= set(re.findall(r"^    (\w+): ", source, re.MULTILINE))  # fields, whose names are asked for by others
    words |= {f"{state}_live" for state in get_args(OutcomeState)} | {f"{form}_broken" for form in ("one", "many")}
    made = set(re.findall(r"[\"']([a-z_]+\.[\w.-]*)(?:\{|[\"'] \+)", source))
    tables = {c.text_key for c in COMMANDS} | {f"keys.scope_{s}" for s in SCOPES}
    tables |= {c.about_key for c in COMMANDS}

    def put_together(key: str) -> bool:
        return any(
            key.startswith(begin) and (key.removeprefix(begin) in words or key.removeprefix(begin).isdigit()) for begin in made
        )

    texts = set(Translations.load("en"))
    keys = texts - {f"{key}_one" for key in texts}
    assert [key for key in sorted(keys) if key not in literal | tables and not put_together(key)] == []
