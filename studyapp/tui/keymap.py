"""The learner's own keys: the `[keys]` table of settings.toml, such as `"study.undo" = "z"`."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from textual.binding import Binding
from textual.keys import Keys

from studyapp.errors import Message, SettingsError, did_you_mean
from studyapp.tui.commands import COMMANDS, KEY_SIGNS, SCOPES, Command

NAMES = {sign: key for key, sign in KEY_SIGNS.items()}
MODIFIERS = ("ctrl+", "shift+", "alt+", "meta+", "super+")
KNOWN = {key.value for key in Keys}


def keymap(chosen: Mapping[str, str]) -> dict[str, str]:
    """Textual's keys for each command that the learner gave other ones.

    Raises:
        SettingsError: for a command that there is not, a key that there is not, or a key that would mean two things.
    """
    if not chosen:
        return {}
    ids = [c.id for c in COMMANDS]
    for name in chosen:
        if name not in ids:
            hint = did_you_mean(name, ids, most=3) or Message("Help (?) names every command.")
            raise SettingsError("keys: {name!r} is not a command", hint, name=name)
    found = {name: ",".join(_key(name, key) for key in keys.split(",")) for name, keys in chosen.items()}
    commands = with_keys(COMMANDS, found)
    for scope in SCOPES:
        taken: dict[str, Command] = {}
        for command in (c for c in commands if c.scope in (scope, "app")):
            for key in command.keys.split(","):
                other = taken.setdefault(key, command)
                if other is not command:
                    raise SettingsError(
                        "keys: {key} would mean both {one} and {other}",
                        "Give one of them another key in settings.toml.",
                        key=KEY_SIGNS.get(key, key), one=other.id, other=command.id,
                    )
    return found


def with_keys(commands: Iterable[Command], chosen: Mapping[str, str]) -> list[Command]:
    """The commands with the learner's keys, as `keymap` gives them, in place of their own."""
    return [replace(c, keys=chosen[c.id]) if c.id in chosen else c for c in commands]


def _key(name: str, key: str) -> str:
    """A key as Textual names it: «?» is question_mark, «esc» is escape."""
    key = NAMES.get(key.strip(), key.strip()) or " "
    base = key
    for modifier in MODIFIERS:
        base = base.removeprefix(modifier)
    if not (len(base) == 1 and base.isprintable() and base != " ") and base not in KNOWN | set(KEY_SIGNS):
        raise SettingsError(
            "keys: {name}: {key!r} is not a key",
            "Write one such as z, ctrl+z, f5, space or esc.",
            name=name, key=key,
        )
    return next(binding.key for binding in Binding.make_bindings([Binding(key, "none")]))
