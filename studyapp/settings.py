"""The learner's settings: one frozen value read from a TOML file and handed down by constructors."""

import dataclasses
import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from studyapp.errors import SettingsError
from studyapp.files import atomic_write

LANGUAGES = ("en", "zh")
NEW_ORDERS = ("topics", "core")
"""New cards topic by topic, or those of level core first, then deep, then frontier."""
LOWEST = (0.001,) * 4 + (1.0, 0.001, 0.001, 0.001, 0.0, 0.0) + (0.001,) * 4 + (0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.1)
HIGHEST = (100.0,) * 4 + (10.0, 4.0, 4.0, 0.75, 4.5, 0.8, 3.5, 5.0, 0.25, 0.9, 4.0, 1.0, 6.0, 2.0, 2.0, 0.8, 0.8)
RANGES: dict[str, tuple[float, float]] = {
    "desired_retention": (0.7, 0.99),
    "new_per_day": (0, 9999),
    "reviews_per_day": (0, 9999),
    "learn_ahead_minutes": (0, 1439),
    "rollover_hour": (0, 23),
    "leech_lapses": (1, 99),
    "max_interval_days": (1, 36500),
}


@dataclass(frozen=True, slots=True)
class Settings:
    """What the learner may turn. A value out of range raises SettingsError when the settings are made."""

    language: str = "en"
    theme: str = "dark"
    desired_retention: float = 0.9
    new_per_day: int = 10
    new_order: str = "topics"
    reviews_per_day: int = 200
    learn_ahead_minutes: int = 20
    rollover_hour: int = 4
    learning_steps_minutes: tuple[float, ...] = (1, 10)
    relearning_steps_minutes: tuple[float, ...] = (10,)
    leech_lapses: int = 8
    max_interval_days: int = 36500
    parameters: tuple[float, ...] | None = None
    timezone: str | None = None
    keys: Mapping[str, str] = dataclasses.field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        """Refuse what cannot be used, naming the key."""
        if self.language not in LANGUAGES:
            raise SettingsError(f"language: {self.language!r} is not one of {', '.join(LANGUAGES)}")
        if not isinstance(self.theme, str) or not self.theme:
            raise SettingsError(f"theme: {self.theme!r} is not a name")
        if self.new_order not in NEW_ORDERS:
            raise SettingsError(f"new_order: {self.new_order!r} is not one of {', '.join(NEW_ORDERS)}")
        for key, (low, high) in RANGES.items():
            value = getattr(self, key)
            kind = "a number" if key == "desired_retention" else "a whole number"
            whole = isinstance(value, int) and not isinstance(value, bool)
            if not whole and not (key == "desired_retention" and isinstance(value, float)):
                raise SettingsError(f"{key}: {value!r} is not {kind}")
            if not low <= value <= high:
                raise SettingsError(f"{key}: {value!r} is not between {low} and {high}")
        for key in ("learning_steps_minutes", "relearning_steps_minutes"):
            steps = _numbers(key, getattr(self, key))
            if any(not 0 < step < 24 * 60 for step in steps):
                raise SettingsError(f"{key}: every step must be longer than nothing and shorter than a day")
            object.__setattr__(self, key, steps)
        if self.parameters is not None:
            weights = tuple(float(weight) for weight in _numbers("parameters", self.parameters))
            if len(weights) != len(LOWEST):
                raise SettingsError(f"parameters: FSRS-6 has {len(LOWEST)} of them, not {len(weights)}")
            for place, (weight, low, high) in enumerate(zip(weights, LOWEST, HIGHEST, strict=True)):
                if not low <= weight <= high:
                    raise SettingsError(f"parameters: number {place} is {weight}, not between {low} and {high}")
            object.__setattr__(self, "parameters", weights)
        if self.timezone is not None:
            try:
                ZoneInfo(self.timezone)
            except (ValueError, OSError, KeyError, TypeError, AttributeError):
                raise SettingsError(
                    f"timezone: {self.timezone!r} is not known", "Name a place, such as Asia/Shanghai."
                ) from None

        if not isinstance(self.keys, Mapping) or not all(isinstance(key, str) and key for key in self.keys.values()):
            raise SettingsError("keys: is not a table of keys", 'Write it as: [keys], then lines such as "study.undo" = "z".')

    @property
    def learn_ahead(self) -> timedelta:
        """How far ahead of its time a learning card may come when nothing else is left."""
        return timedelta(minutes=self.learn_ahead_minutes)


def _numbers(key: str, value: Any) -> tuple[float, ...]:
    """The numbers of a list, or SettingsError."""
    numbers = isinstance(value, list | tuple) and all(
        isinstance(each, int | float) and not isinstance(each, bool) for each in value
    )
    if not numbers:
        raise SettingsError(f"{key}: {value!r} is not a list of numbers")
    return tuple(value)


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
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Settings(language=terminal_language(os.environ))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path}: is not TOML: {error}", "Mend the line, or delete the file.") from error
    known = [field.name for field in dataclasses.fields(Settings)]
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise SettingsError(f"{path}: {unknown[0]}: no such setting", f"The settings are: {', '.join(known)}.")
    try:
        return Settings(**({"language": terminal_language(os.environ)} | values))
    except SettingsError as error:
        raise SettingsError(f"{path}: {error.message}", error.hint) from error


def save_settings(path: Path, settings: Settings) -> None:
    """Write the settings whole or not at all: to a file beside it, then put in its place."""
    lines = []
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if isinstance(value, Mapping):
            pairs = (f"{json.dumps(k)} = {json.dumps(v, ensure_ascii=False)}" for k, v in value.items())
            lines += [f"{field.name} = {{ {', '.join(pairs)} }}\n"] if value else []
        elif value is not None:  # a JSON string, number or list of numbers is TOML as well
            lines.append(f"{field.name} = {json.dumps(value, ensure_ascii=False)}\n")
    with (
        atomic_write(path, lambda error: SettingsError(f"{path}: cannot be written: {error}")) as part,
        part.open("w", encoding="utf-8") as file,
    ):
        file.writelines(lines)
        file.flush()
        os.fsync(file.fileno())
