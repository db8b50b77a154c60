"""`studyapp check`: your findings, not the maintainers' backlog."""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from studyapp.bank.model import Finding
from studyapp.cli import cli
from studyapp.i18n import Translations
from studyapp.paths import questions_dir

JSON = Path(__file__).parents[2] / "docs/json.md"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Call the command line with a data folder of its own, and no file changed."""
    monkeypatch.setenv("STUDYAPP_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("studyapp.check.changed.changed_files", lambda folders: set())

    def call(*words: str) -> Result:
        return CliRunner().invoke(cli, list(words))

    return call


@pytest.mark.usefixtures("planned")
def test_the_backlog_is_one_line_until_it_is_asked_for(run) -> None:
    """Where nothing is yours, two lines: the counts, and what was not shown; with --backlog every warning."""
    lines = run("check").stdout.splitlines()
    assert len(lines) == 2 and "0 findings, 0 warnings" in lines[0] and "--backlog" in lines[1]
    every = run("check", "--backlog").stdout.splitlines()
    assert len(every) > 10
    assert sum("planned and has no file" in line for line in every) == 12 and "--backlog" not in every[-1]


@pytest.mark.usefixtures("planned")
def test_a_warning_of_your_own_bank_is_shown_and_stands_last(run, tmp_path: Path) -> None:
    """Beside hundreds of others the one in your bank is printed, and it fails nothing."""
    own = tmp_path / "mine"
    own.mkdir()
    (own / "a.yaml").write_text("ask: 'A'\nanswer: |\n  $$\\frac{1$$\n", "utf-8")
    said = run("--bank", str(own), "check")
    assert said.exit_code == 0, said.output
    *first, counts, rest = said.stdout.splitlines()
    assert first and all("cannot be drawn" in line and str(own) in line for line in first)
    assert f"{len(first)} warning" in counts and "--backlog" in rest
    assert "cannot be drawn" in run("--bank", str(own), "check", "--backlog").stdout.splitlines()[-2]


def test_a_warning_of_a_changed_file_is_shown(run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A warning is counted until git calls its file changed; then it is printed, and what is planned is not."""
    changed = questions_dir().resolve() / "attention" / "a.yaml"
    warns = Finding(changed, 3, "", "reads badly", warning=True)
    planned = Finding(changed, 4, "", "is planned", warning=True, group="backlog")
    monkeypatch.setattr("studyapp.check.check_bank", lambda *args, **kwargs: [warns, planned])
    counts, rest = run("check").stdout.splitlines()
    assert "0 warnings" in counts and "--backlog" in rest
    monkeypatch.setattr("studyapp.check.changed.changed_files", lambda folders: {changed})
    said, counts, rest = run("check").stdout.splitlines()
    assert said.startswith("warning: ") and "reads badly" in said and "1 warning" in counts and "--backlog" in rest


def test_what_fails_leaves_with_1(run, tmp_path: Path) -> None:
    """A reference that leads nowhere is a finding wherever it stands."""
    own = tmp_path / "mine"
    own.mkdir()
    (own / "a.yaml").write_text("ask: 'A'\nanswer: 'B'\nfollow_ups: [nowhere]\n", "utf-8")
    said = run("--bank", str(own), "check")
    assert said.exit_code == 1 and "nowhere" in said.stdout.splitlines()[0]
    assert json.loads(run("--bank", str(own), "check", "--json").stdout)[0].keys() >= {"group", "yours"}


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_table_has_a_line_for_each_topic_and_one_for_all(run, language: str) -> None:
    """Headings in the language asked for; the last line sums up."""
    lines = run("--lang", language, "check", "--table").stdout.splitlines()
    t = Translations.load(language)
    assert lines[0].startswith(t("cli.table_topic")) and t("cli.table_exercises") in lines[0]
    assert [line.split()[0] for line in lines[2:4]] == ["foundations", "pytorch"]
    assert lines[-1].startswith(t("cli.table_total"))


def test_the_table_as_json_is_as_documented(run) -> None:
    """The keys are those of docs/json.md, and the total is the sum."""
    said = json.loads(run("check", "--table", "--json").stdout)
    example = json.loads(re.findall(r"With `--table`.*?```json\n(.*?)```", JSON.read_text("utf-8"), re.S)[0])
    assert said["total"].keys() == example["total"].keys()
    assert said["topics"][0].keys() == example["topics"][0].keys()
    assert said["total"]["questions"] == sum(t["questions"] for t in said["topics"])
