"""The learner's settings."""

from dataclasses import fields, replace

import pytest

from studyapp.errors import SettingsError
from studyapp.settings import HIGHEST, LOWEST, Settings, load_settings, save_settings


@pytest.fixture(autouse=True)
def plain_terminal(monkeypatch):
    """A terminal that speaks English, whatever the machine's does."""
    monkeypatch.setenv("LC_ALL", "C.UTF-8")


def test_no_file_is_the_defaults(tmp_path):
    """Without a file the settings are the defaults."""
    assert load_settings(tmp_path / "settings.toml") == Settings()


@pytest.mark.parametrize(
    ("environ", "language"),
    [
        ({}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh_TW.UTF-8", "LC_ALL": "en_GB.UTF-8"}, "en"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LC_ALL": "", "LC_MESSAGES": "zh_CN", "LANG": "C"}, "zh"),
    ],
)
def test_the_first_language_is_the_terminal_s(tmp_path, monkeypatch, environ, language):
    """Until a language is chosen it is that of the terminal, where there are words in it; what was chosen stays."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    path = tmp_path / "settings.toml"
    assert load_settings(path).language == language
    path.write_text("new_per_day = 5\n")
    assert load_settings(path).language == language
    path.write_text("language = 'en'\n")
    assert load_settings(path).language == "en"


def test_what_is_saved_is_loaded(tmp_path):
    """Settings come back from the file as they were, in a folder made for them, with nothing left beside."""
    path = tmp_path / "new" / "settings.toml"
    turned = Settings(
        language="zh", theme='a "quoted" 主题\n', desired_retention=0.85, learning_steps_minutes=(1.5, 10),
        relearning_steps_minutes=(), parameters=tuple(LOWEST), timezone="Asia/Shanghai",
    )  # fmt: skip
    for settings in (Settings(), turned):
        save_settings(path, settings)
        assert load_settings(path) == settings
    assert [file.name for file in path.parent.iterdir()] == ["settings.toml"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("new_per_dya = 5", "new_per_dya"),
        ("new_per_day = -1", "between"),
        ("new_per_day = 2.5", "whole number"),
        ("new_per_day = true", "whole number"),
        ("desired_retention = 1.0", "between"),
        ("desired_retention = nan", "between"),
        ("language = 'fr'", "en, zh"),
        ("theme = 3", "theme"),
        ("rollover_hour = 24", "between"),
        ("learning_steps_minutes = 5", "list"),
        ("learning_steps_minutes = ['1']", "list"),
        ("learning_steps_minutes = [0]", "shorter than a day"),
        ("relearning_steps_minutes = [1440]", "shorter than a day"),
        ("parameters = [1, 2]", "21"),
        ("timezone = 'Mars/Base'", "Mars/Base"),
        ("timezone = '../etc/passwd'", "passwd"),
        ("timezone = 8", "8"),
        ("new_per_day = ", "TOML"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, line, said):
    """A wrong key or value is a SettingsError with the file and what is wrong."""
    path = tmp_path / "settings.toml"
    path.write_text(line)
    with pytest.raises(SettingsError) as caught:
        load_settings(path)
    assert str(path) in caught.value.message and said in caught.value.message


def test_a_file_that_cannot_be_read_or_written(tmp_path):
    """A folder in the file's place is a SettingsError both ways, and bytes that are no text one in reading."""
    with pytest.raises(SettingsError, match="read"):
        load_settings(tmp_path)
    with pytest.raises(SettingsError, match="written"):
        save_settings(tmp_path, Settings())
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="read"):
        load_settings(tmp_path / "bytes.toml")


def test_a_failed_save_keeps_the_old(tmp_path, monkeypatch):
    """Where the new file cannot be put in place the old one stands unchanged."""
    path = tmp_path / "settings.toml"
    save_settings(path, Settings(new_per_day=7))
    monkeypatch.setattr("os.fsync", lambda handle: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(SettingsError, match="disk full"):
        save_settings(path, Settings())
    assert load_settings(path).new_per_day == 7 and len(list(tmp_path.iterdir())) == 1


def test_the_bounds_are_those_of_the_scheduler():
    """Parameters are held to the bounds of FSRS-6 itself."""
    from fsrs.scheduler import LOWER_BOUNDS_PARAMETERS, UPPER_BOUNDS_PARAMETERS

    assert (LOWEST, HIGHEST) == (LOWER_BOUNDS_PARAMETERS, UPPER_BOUNDS_PARAMETERS)
    with pytest.raises(SettingsError, match="number 0"):
        Settings(parameters=(101.0, *LOWEST[1:]))


def test_settings_are_a_frozen_value():
    """Settings cannot be changed in place and every field has a default."""
    with pytest.raises(AttributeError):
        Settings().language = "zh"  # type: ignore[misc]
    assert replace(Settings(), language="zh").language == "zh" and len(fields(Settings)) == 15
