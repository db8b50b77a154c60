"""The learner's settings: one frozen value, declared here, read from a TOML file and handed down by constructors.

The file is the learner's own. The app changes single keys of it, and leaves comments, order and everything else as they are.
"""

import os
import stat
import tomllib
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field, fields
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta

from studyapp.errors import Message, SettingsError, did_you_mean
from studyapp.files import atomic_write

LANGUAGES = ("en", "zh")
NEW_ORDERS = ("topics", "core")
"""New cards topic by topic, or those of level core first, then deep, then frontier."""
SCHEDULABLE = ("choice", "drill", "write")
"""Kinds of cards that may be scheduled beside recall."""
EVERY_TOPIC = "all"
"""In the table of kinds: every topic that has no line of its own."""
LOWEST = (0.001,) * 4 + (1.0, 0.001, 0.001, 0.001, 0.0, 0.0) + (0.001,) * 4 + (0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.1)
HIGHEST = (100.0,) * 4 + (10.0, 4.0, 4.0, 0.75, 4.5, 0.8, 3.5, 5.0, 0.25, 0.9, 4.0, 1.0, 6.0, 2.0, 2.0, 0.8, 0.8)
LONGEST_FILE, LONGEST_VALUE = 64 * 1024, 60

Minutes = tuple[Annotated[int, Meta(gt=0, lt=24 * 60)] | Annotated[float, Meta(gt=0, lt=24 * 60)], ...]


@dataclass(frozen=True, slots=True)
class Settings:
    """What the learner may turn. A value that cannot be used raises SettingsError when the settings are made."""

    language: Annotated[Literal["en", "zh"], Meta(description="of the app; until it is set, that of the terminal")] = "en"
    theme: Annotated[str, Meta(min_length=1, description="dark, light, or the name of a theme of Textual's")] = "dark"
    desired_retention: Annotated[
        float, Meta(ge=0.7, le=0.99, description="the share of cards you want to recall when they come back")
    ] = 0.9
    new_per_day: Annotated[int, Meta(ge=0, le=9999, description="new cards a day")] = 10
    new_order: Annotated[
        Literal["topics", "core"], Meta(description="new cards topic by topic, or those of level core first")
    ] = "topics"
    reviews_per_day: Annotated[int, Meta(ge=0, le=9999, description="reviews a day")] = 200
    learn_ahead_minutes: Annotated[
        int, Meta(ge=0, le=1439, description="how early a card in learning may come when nothing else is left")
    ] = 20
    rollover_hour: Annotated[int, Meta(ge=0, le=23, description="the hour at which a new day begins")] = 4
    learning_steps_minutes: Annotated[Minutes, Meta(description="when a new card comes back, step by step")] = (1, 10)
    relearning_steps_minutes: Annotated[Minutes, Meta(description="when a forgotten card comes back")] = (10,)
    leech_lapses: Annotated[int, Meta(ge=1, le=99, description="forgotten so often, a card is a leech")] = 8
    max_interval_days: Annotated[int, Meta(ge=1, le=36500, description="no card stays away longer")] = 36500
    parameters: Annotated[tuple[float, ...] | None, Meta(description="the 21 weights of FSRS-6; its own without them")] = None
    timezone: Annotated[str | None, Meta(description="such as Asia/Shanghai; that of the machine without it")] = None
    kinds: Annotated[
        Mapping[str, tuple[Literal["choice", "drill", "write"], ...]],
        Meta(description="what is asked beside recall, by topic; `all` for those that have no line of their own"),
    ] = field(default_factory=dict, hash=False)
    interview_date: Annotated[date | None, Meta(description="the day of your interview, which `studyapp plan` prepares")] = None
    interview_minutes: Annotated[int, Meta(ge=5, le=480, description="minutes of study a day until then")] = 45
    interview_topics: Annotated[
        Mapping[str, Annotated[float, Meta(gt=0, le=100)]],
        Meta(description="the topics that it is about, with how much each counts; all alike without it"),
    ] = field(default_factory=dict, hash=False)
    keys: Annotated[
        Mapping[str, Annotated[str, Meta(min_length=1)]], Meta(description="keys of your own for commands")
    ] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        """Refuse what cannot be used, naming the key."""
        for name, declared in _declared().items():
            try:
                value = msgspec.convert(getattr(self, name), declared)
            except msgspec.ValidationError:
                raise SettingsError(
                    "{name}: {shown} is not {wanted}",
                    name=name, shown=_shown(getattr(self, name)), wanted=wanted(name),
                ) from None
            if value != value:
                raise SettingsError(
                    "{name}: {shown} is not {wanted}",
                    name=name, shown=_shown(value), wanted=wanted(name),
                )
            object.__setattr__(self, name, value)
        if self.parameters is not None:
            if len(self.parameters) != len(LOWEST):
                raise SettingsError(
                    "parameters: FSRS-6 has {count} of them, not {given}",
                    count=len(LOWEST), given=len(self.parameters),
                )
            for place, (weight, low, high) in enumerate(zip(self.parameters, LOWEST, HIGHEST, strict=True)):
                if not low <= weight <= high:
                    raise SettingsError(
                        "parameters: number {place} is {weight}, not between {low} and {high}",
                        place=place, weight=weight, low=low, high=high,
                    )
        if self.timezone is not None:
            try:
                ZoneInfo(self.timezone)
            except (ValueError, OSError, KeyError):
                hint = Message("Name a place, such as Asia/Shanghai.")
                raise SettingsError("timezone: {shown} is not known", hint, shown=_shown(self.timezone)) from None

    def kinds_of(self, topic: str) -> tuple[str, ...]:
        """The kinds of cards that are scheduled of a topic beside recall."""
        return self.kinds.get(topic, self.kinds.get(EVERY_TOPIC, ()))

    def toggled(self, topic: str, kind: str) -> dict[str, list[str]]:
        """The table of kinds with one turned on or off in a topic, or in all of them: then no topic has a line of its own."""
        now = set(self.kinds_of(topic))
        chosen = [name for name in SCHEDULABLE if (name in now) is not (name == kind)]
        if topic == EVERY_TOPIC:
            return {EVERY_TOPIC: chosen} if chosen else {}
        table: dict[str, list[str]] = {name: list(kinds) for name, kinds in self.kinds.items()}
        table[topic] = chosen
        if chosen == table.get(EVERY_TOPIC, []):
            del table[topic]
        return table

    @property
    def learn_ahead(self) -> timedelta:
        """How far ahead of its time a learning card may come when nothing else is left."""
        return timedelta(minutes=self.learn_ahead_minutes)


@cache
def _declared() -> dict[str, Any]:
    return get_type_hints(Settings, include_extras=True)


def _meta(name: str) -> Meta:
    return next(part for part in get_args(_declared()[name]) if isinstance(part, Meta))


def _shown(value: object) -> str:
    text = ascii(value) if isinstance(value, int) and value.bit_length() > 4 * LONGEST_VALUE else repr(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"


def wanted(name: str) -> Message:
    """What a setting may be, in words."""
    kind, meta = get_args(_declared()[name])[0], _meta(name)
    if get_origin(kind) is Literal:
        return Message("one of {names}", names=", ".join(get_args(kind)))
    if kind is int:
        return Message("a whole number between {least:g} and {most:g}", least=meta.ge, most=meta.le)
    if kind is float:
        return Message("a number between {least:g} and {most:g}", least=meta.ge, most=meta.le)
    return {
        "theme": Message("a name"),
        "timezone": Message("the name of a time zone"),
        "interview_date": Message("a date such as 2026-12-20"),
        "interview_topics": Message("a table such as [interview_topics] with lines like attention = 2"),
        "parameters": Message("a list of numbers"),
        "kinds": Message('a table such as [kinds] with lines like inference = ["choice", "drill", "write"]'),
        "keys": Message('a table of keys, such as [keys] with lines like "study.undo" = "z"'),
    }.get(name, Message("a list of numbers of minutes, each longer than nothing and shorter than a day"))


RANGES: dict[str, tuple[float, float]] = {
    name: (meta.ge, meta.le) for name in _declared() if (meta := _meta(name)).ge is not None and meta.le is not None
}
"""The least and the most of each setting that is a number."""


def settings_table() -> str:
    """Every setting as a Markdown table; the README holds it."""
    rows = ["| setting | without it | may be | what it is |", "| --- | --- | --- | --- |"]
    for one in fields(Settings):
        default = "" if one.name in ("keys", "kinds", "interview_topics") else f"`{_toml(getattr(Settings(), one.name))}`"
        rows.append(f"| `{one.name}` | {default.replace('`none`', '')} | {wanted(one.name)} | {_meta(one.name).description} |")
    return "\n".join(rows)


def _toml(value: object) -> str:
    import tomlkit

    return "none" if value is None else tomlkit.item(value).as_string()


def terminal_language(environ: Mapping[str, str]) -> str:
    """The language of the learner's terminal, where it is one of ours: what is shown until another is chosen."""
    said = next((environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if environ.get(name)), "")
    return "zh" if said.startswith("zh") else "en"


def load_settings(path: Path) -> Settings:
    """The settings in a TOML file; without one the defaults, in the terminal's language.

    Raises:
        SettingsError: for an unknown key, a value that cannot be used, or a file that cannot be read.
    """
    try:
        values = tomllib.loads(_read(path))
    except RecursionError:
        raise SettingsError("{path}: is nested too deeply", "Mend the file, or delete it.", path=path) from None
    except ValueError as error:  # tomllib's own, and Python's of a number of thousands of digits
        raise SettingsError(
            "{path}: is not TOML: {error}",
            "Mend the line, or delete the file.",
            path=path, error=error,
        ) from error
    known = [one.name for one in fields(Settings)]
    for name in sorted(set(values) - set(known)):
        hint = did_you_mean(name, known) or Message("The settings are: {names}.", names=", ".join(known))
        raise SettingsError("{path}: {shown}: no such setting", hint, path=path, shown=_shown(name))
    try:
        return Settings(**({"language": terminal_language(os.environ)} | values))
    except SettingsError as error:
        raise SettingsError("{path}: {message}", error.hint, path=path, message=error.message) from error


def edit_settings(path: Path, changes: Mapping[str, Any]) -> None:
    """Set these keys in the file as it is now, and leave all else in it alone; None takes a key out, and so does an empty table.

    A link is followed. Without a file there is one afterwards, with these keys.

    Raises:
        SettingsError: where the file cannot be read, is not TOML, or cannot be written.
    """
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        document = tomlkit.parse(_read(path))
        for name, value in changes.items():
            if value is None or value == {}:
                document.pop(name, None)
            elif isinstance(value, Mapping) and isinstance(table := document.get(name), MutableMapping):
                for gone in [key for key in table if key not in value]:
                    del table[gone]
                for key, one in value.items():
                    table[key] = one
            else:
                document[name] = value
        text = tomlkit.dumps(document)
    except (TOMLKitError, RecursionError, ValueError) as error:
        raise SettingsError(
            "{path}: cannot be changed: {error}",
            "Mend the file, or delete it.",
            path=path, error=error,
        ) from error
    with (
        atomic_write(path, lambda error: SettingsError("{path}: cannot be written: {error}", path=path, error=error)) as part,
        part.open("w", encoding="utf-8", newline="") as file,
    ):
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _read(path: Path) -> str:
    """The text of the file; empty where there is none."""
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise SettingsError("{path}: cannot be read: it is no file", "Put a file there, or nothing.", path=path)
        if found.st_size > LONGEST_FILE:
            raise SettingsError(
                "{path}: cannot be read: it is longer than {most} KiB",
                "Delete the file.",
                path=path, most=LONGEST_FILE // 1024,
            )
        with path.open(encoding="utf-8-sig", newline="") as file:
            return file.read()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError("{path}: cannot be read: {error}", path=path, error=error) from error
