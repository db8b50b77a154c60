"""The exports as a person calls them."""

import json
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from studyapp.cli import cli


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Call the command line with a data folder of its own, English."""
    monkeypatch.setenv("STUDYAPP_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    return lambda *words: CliRunner().invoke(cli, [str(word) for word in words])


def ids(said: Result) -> list[str]:
    """The questions of JSON lines."""
    return [json.loads(line)["id"] for line in said.stdout.splitlines()]


def test_one_question_or_the_weak_ones_can_be_exported(run) -> None:
    """`--id` names them, `--weak` finds them; without a weak one it says so."""
    assert ids(run("export", "json", "-o", "-", "--id", "mla", "--id", "kl-divergence")) == ["kl-divergence", "mla"]
    none = run("export", "json", "-o", "-", "--weak")
    assert none.exit_code == 1 and "Nothing slips" in none.stderr and not none.stdout
    run("answer", "mla", "easy", "--at", "2026-10-01T12:00")
    run("answer", "mla", "again", "--at", "2026-11-01T12:00")
    run("answer", "kl-divergence", "easy", "--at", "2026-11-01T12:00")
    assert ids(run("export", "json", "-o", "-", "--weak")) == ["mla"]


def test_an_export_speaks_the_language_of_the_app_unless_told(run) -> None:
    """JSON alone has both languages of itself; with both, the app's comes first."""
    one = ("-o", "-", "--id", "mla")
    assert "三十秒回答" in run("--lang", "zh", "export", "markdown", *one).stdout
    assert "In thirty seconds" not in run("--lang", "zh", "export", "markdown", *one).stdout
    assert "三十秒回答" in run("export", "markdown", *one, "--lang", "zh").stdout
    assert json.loads(run("export", "json", *one).stdout)["ask"].keys() == {"en", "zh"}
    both = run("--lang", "zh", "export", "csv", *one, "--lang", "both").stdout
    assert both.index('<div lang=""zh"">') < both.index('<details class=""other"" lang=""en"">')


def test_standard_output_holds_the_export_alone(run) -> None:
    """What is said to the person goes to stderr, and says of the CSV whom it is for."""
    said = run("export", "csv", "-o", "-", "--id", "mla")
    assert said.stdout.startswith("#separator") and "1 question written" in said.stderr and "For Anki" in said.stderr
    sheet = run("sheet", "--topic", "foundations")
    assert sheet.exit_code == 0 and sheet.stdout.startswith("# Interview questions") and not sheet.stderr


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("csv",), "--output"),
        (("csv", "-o", "x", "--progress"), "--progress"),
        (("json", "-o", "x", "--evidence", "tables"), "--evidence"),
        (("anki", "-o", "-"), "not a text"),
        (("csv", "-o", "x", "--topic", "nosuch"), "nosuch"),
        (("csv", "-o", "x", "--id", "nosuch"), "nosuch"),
    ],
)
def test_a_wrong_call_says_what_is_wrong(run, tmp_path: Path, words: tuple[str, ...], why: str) -> None:
    """It leaves with 2, names the option or the name, and writes nothing."""
    said = run("export", *(str(tmp_path / "x") if word == "x" else word for word in words))
    assert said.exit_code == 2 and why in said.stderr and not (tmp_path / "x").exists()


@pytest.mark.parametrize("command", [("export", "csv"), ("export", "anki"), ("sheet",), ("backup",)])
def test_nothing_is_written_over_the_learners_data(run, tmp_path: Path, command: tuple[str, ...]) -> None:
    """Neither settings nor database, not even through a link; a new name in the folder is free."""
    run("answer", "mla", "good")
    settings = tmp_path / "home" / "settings.toml"
    settings.write_text("new_per_day = 5\n")
    (tmp_path / "link").symlink_to(settings)
    for place in (settings, tmp_path / "home" / "reviews.db", tmp_path / "home" / "reviews.db-wal", tmp_path / "link"):
        said = run(*command, "-o", place)
        assert said.exit_code == 1 and "not written over" in said.stderr, said.output
    assert settings.read_text() == "new_per_day = 5\n"
    chosen = () if command == ("backup",) else ("--topic", "inference")
    assert run(*command, "-o", tmp_path / "home" / "new.out", *chosen).exit_code == 0


def test_a_missing_folder_is_named_and_not_made(run, tmp_path: Path) -> None:
    """A slip of the pen in a path makes no folder somewhere."""
    said = run("export", "csv", "-o", tmp_path / "nope" / "x.csv", "--id", "mla")
    assert said.exit_code == 1 and f"there is no folder {tmp_path / 'nope'}" in said.stderr
    assert not (tmp_path / "nope").exists()
    said = run("--lang", "zh", "export", "csv", "-o", tmp_path / "nope" / "x.csv", "--id", "mla")
    assert f"没有文件夹 {tmp_path / 'nope'}" in said.stderr


def test_the_same_bank_gives_the_same_package_with_its_charts(run, tmp_path: Path) -> None:
    """A second export is the first byte for byte, and its pictures are SVG."""
    for name in ("a.apkg", "b.apkg"):
        assert run("export", "anki", "-o", tmp_path / name, "--id", "attention-scaling-sqrt-dk").exit_code == 0
    assert (tmp_path / "a.apkg").read_bytes() == (tmp_path / "b.apkg").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.apkg") as package:
        media = json.loads(package.read("media"))
        assert media and all(name.endswith(".svg") and package.read(i).startswith(b"<svg") for i, name in media.items())
