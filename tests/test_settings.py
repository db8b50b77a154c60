"""The learner's settings."""

import os
from dataclasses import fields, replace

import pytest

from studyapp.context import AppContext
from studyapp.errors import SettingsError
from studyapp.settings import HIGHEST, LOWEST, Settings, edit_settings, load_settings


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


def test_what_is_set_is_loaded(tmp_path):
    """Settings come back from the file as they were set, in a folder made for it, with nothing left beside."""
    path = tmp_path / "new" / "settings.toml"
    turned = {
        "language": "zh", "theme": 'a "quoted" 主题\n', "desired_retention": 0.85, "learning_steps_minutes": (1.5, 10),
        "relearning_steps_minutes": (), "parameters": tuple(LOWEST), "timezone": "Asia/Shanghai", "keys": {"study.undo": "z"},
        "kinds": {"all": ("choice",), "inference": ()},
    }  # fmt: skip
    edit_settings(path, turned)
    assert load_settings(path) == Settings(**turned)
    edit_settings(path, {"timezone": None, "parameters": None})
    assert load_settings(path) == Settings(**turned | {"timezone": None, "parameters": None})
    assert [file.name for file in path.parent.iterdir()] == ["settings.toml"]


OWN = """# my notes
new_per_day = 30  # while on holiday
theme   =   'dark'

[keys]
# the ring finger
"study.undo" = "z"
"""


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_one_key_is_changed_and_the_rest_is_the_learners(tmp_path, ends):
    """Comments, order, spaces, line ends, and what was edited meanwhile stay; a new key does not fall into a table."""
    path = tmp_path / "settings.toml"
    path.write_text(OWN, newline=ends)
    edit_settings(path, {"theme": "light"})
    assert path.read_bytes().decode() == OWN.replace("'dark'", '"light"').replace("\n", ends)
    edit_settings(path, {"language": "zh"})
    settings = load_settings(path)
    assert (settings.language, settings.theme, settings.new_per_day, settings.keys) == ("zh", "light", 30, {"study.undo": "z"})
    assert path.read_text().count("#") == 3


KINDS = """[kinds]
all = ["choice"]  # in the train
# where numbers count
inference = ["drill"]
"""


def test_kinds_hold_by_topic_and_are_turned_one_by_one(tmp_path):
    """A topic without a line follows that of all; what is turned for one gives it a line, unless it says what all do; what is
    turned for all holds for every topic; comments stay with the lines that stay."""
    path = tmp_path / "settings.toml"
    path.write_text(KINDS)
    settings = load_settings(path)
    assert [settings.kinds_of(topic) for topic in ("inference", "moe")] == [("drill",), ("choice",)]
    assert settings.toggled("moe", "write") == {"all": ["choice"], "inference": ["drill"], "moe": ["choice", "write"]}
    edit_settings(path, {"kinds": settings.toggled("inference", "write")})
    assert path.read_text() == KINDS.replace('["drill"]', '["drill", "write"]')
    back = replace(settings, kinds=settings.toggled("inference", "choice"))
    assert back.toggled("inference", "drill") == {"all": ["choice"]} and load_settings(path).kinds_of("inference") == ("drill", "write")
    assert settings.toggled("all", "drill") == {"all": ["choice", "drill"]} and settings.toggled("all", "choice") == {}
    edit_settings(path, {"kinds": {}})
    assert load_settings(path).kinds == {}


@pytest.mark.parametrize("kinds", [{"all": ["choise"]}, {"all": "choice"}, ["choice"], {"all": ["recall"]}])
def test_kinds_that_there_are_not_are_refused(kinds):
    """The message names the setting and shows a line as it should be."""
    with pytest.raises(SettingsError, match=r"kinds: .* is not a table such as"):
        Settings(kinds=kinds)


def test_the_app_writes_what_was_chosen_and_nothing_else(tmp_path):
    """A theme chosen in a run with --lang keeps neither that language nor the settings as they were at the start."""
    path = tmp_path / "home" / "settings.toml"
    path.parent.mkdir()
    path.write_text("new_per_day = 3\n")
    context = AppContext(home=path.parent, language="zh")
    assert context.settings.new_per_day == 3
    path.write_text("new_per_day = 30\n")
    context.change(theme="light")
    assert path.read_text() == 'new_per_day = 30\ntheme = "light"\n'
    assert (context.language, context.settings.theme) == ("zh", "light")


def test_a_linked_file_is_changed_where_it_lies(tmp_path):
    """A settings file that stands in a folder of dotfiles stays there."""
    (tmp_path / "dotfiles").mkdir()
    target = tmp_path / "dotfiles" / "studyapp.toml"
    target.write_text("# mine\n")
    path = tmp_path / "settings.toml"
    path.symlink_to(target)
    edit_settings(path, {"new_per_day": 5})
    assert path.is_symlink() and target.read_text() == "# mine\nnew_per_day = 5\n"


@pytest.mark.parametrize(
    ("put", "said"),
    [
        (os.mkfifo, "no file"),
        (lambda path: path.symlink_to("/dev/zero"), "no file"),
        (lambda path: path.write_bytes(b"#" * 1_000_000), "longer"),
        (lambda path: path.write_text("x = " + "[" * 3000), "deep"),
    ],
    ids=["FIFO", "endless device", "long file", "deep nesting"],
)
def test_what_cannot_be_a_settings_file_is_said_at_once(tmp_path, put, said):
    """Nothing is waited for, nothing runs out of stack, and nothing is written."""
    path = tmp_path / "settings.toml"
    put(path)
    with pytest.raises(SettingsError, match=said):
        load_settings(path)
    with pytest.raises(SettingsError):
        edit_settings(path, {"theme": "light"})
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("new_per_dya = 5", "new_per_dya"),
        ("new_per_day = 1" + "0" * 5000, "TOML"),
        ('"\\u001b]0;x" = 1', r"'\x1b]0;x'"),
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


def test_a_slip_of_the_pen_gets_a_hint(tmp_path):
    """A key that is nearly one names the one; a key that is like none gets the list."""
    path = tmp_path / "settings.toml"
    for line, hint in (("new_per_dya = 5", "did you mean new_per_day?"), ("zzz = 1", "The settings are: language")):
        path.write_text(line)
        with pytest.raises(SettingsError) as caught:
            load_settings(path)
        assert caught.value.hint.startswith(hint)


def test_a_file_that_cannot_be_read_or_written(tmp_path):
    """A folder in the file's place is a SettingsError both ways, and bytes that are no text one in reading."""
    with pytest.raises(SettingsError, match="read"):
        load_settings(tmp_path)
    with pytest.raises(SettingsError, match="read"):
        edit_settings(tmp_path, {"theme": "light"})
    (tmp_path / "locked.toml").write_text("theme = 'dark'")
    (tmp_path / "locked.toml").chmod(0o400)
    with pytest.raises(SettingsError, match="written"):
        edit_settings(tmp_path / "locked.toml", {"theme": "light"})
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="read"):
        load_settings(tmp_path / "bytes.toml")


def test_a_failed_save_keeps_the_old(tmp_path, monkeypatch):
    """Where the new file cannot be put in place the old one stands unchanged."""
    path = tmp_path / "settings.toml"
    edit_settings(path, {"new_per_day": 7})
    monkeypatch.setattr("os.fsync", lambda handle: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(SettingsError, match="disk full"):
        edit_settings(path, {"new_per_day": 8})
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
    assert replace(Settings(), language="zh").language == "zh" and len(fields(Settings)) == 19
