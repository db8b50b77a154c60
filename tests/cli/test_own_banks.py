"""Questions of one's own at the command line: what is wrong is said at once, once, and with the command that helps."""

import json
import shlex
from pathlib import Path

import pytest

FOREIGN = Path(__file__).parents[1] / "bank" / "foreign"
CARD = "ask: What is BPE?\nanswer: A merge of frequent pairs.\n"


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A personal bank with a space in its name: one question that can be read, two files that cannot."""
    folder = tmp_path_factory.mktemp("own") / "my bank"
    folder.mkdir()
    (folder / "bpe.yaml").write_text(CARD)
    (folder / "bad.yaml").write_text("ask: x\npoints: y\nlevel: cor\n")
    (folder / "worse.yml").write_text("a: b: c\n")
    return folder


@pytest.mark.parametrize(
    "words", [["search", "BPE"], ["due"], ["show", "my-bank:bpe"], ["answer", "my-bank:bpe", "good"], ["stats"], ["doctor"], ["demos"]]
)
def test_every_command_says_once_that_files_could_not_be_read(run, bank, words):
    """Whatever was asked with --bank: one line on stderr with the number of files, and the command to paste."""
    done = run("--bank", str(bank), *words)
    assert done.exit_code == 0, done.output
    [line] = done.stderr.splitlines()
    assert line.startswith("my-bank: 2 files could not be read")
    assert shlex.split(line.split("`")[1]) == ["studyapp", "--bank", str(bank), "check"]


def test_the_command_to_paste_tells_which_files_they_are(run, bank):
    """What every command names, pasted, leaves with 1 and has the file."""
    said = run("--bank", str(bank), "check")
    assert said.exit_code == 1 and str(bank / "worse.yml") in said.stdout


def test_a_bank_in_order_is_silent(run, tmp_path):
    """Nothing wrong, nothing said; `check` says it itself."""
    assert run("--bank", str(FOREIGN), "search", "BPE").stderr == ""
    assert "could not be read" not in run("--bank", str(FOREIGN), "check").output


def test_a_question_that_could_not_be_read_is_told_with_its_reason(run, bank):
    """`show` of a file with a finding gives that finding, and not a guess at another id."""
    done = run("--bank", str(bank), "show", "my-bank:bad")
    assert done.exit_code == 1
    assert f"{bank / 'bad.yaml'}:" in done.stderr and "did you mean" not in done.stderr.partition("bad.yaml")[0]


@pytest.mark.parametrize("folders", [["a/questions", "b/questions"], ["..."]])
def test_a_bank_that_cannot_have_its_name_is_an_error_of_every_command(run, tmp_path, folders):
    """Not a finding that only `check` tells: an error at once."""
    options = []
    for folder in folders:
        (tmp_path / folder).mkdir(parents=True)
        options += ["--bank", str(tmp_path / folder)]
    for words in (["search", "KL"], ["due"], ["demos"]):
        done = run(*options, *words)
        assert done.exit_code == 1 and str(tmp_path / folders[-1]) in done.stderr


@pytest.mark.usefixtures("planned")
def test_what_is_mine_stands_last_and_the_backlog_apart(run, bank):
    """`check` ends with the learner's own findings; what the makers still mean to write is a count behind an option."""
    done = run("--bank", str(bank), "check")
    lines = done.stdout.splitlines()
    mine = [i for i, line in enumerate(lines) if str(bank) in line]
    assert mine and mine[-1] >= len(lines) - 3
    assert "planned and has no file" not in done.stdout and "--backlog" in done.output


def test_a_reference_question_is_found_and_shown_but_never_asked(run, tmp_path):
    """It is no new card, in `due` and in the total of its topic, though search and show know it; the one beside it is."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "asked.yaml").write_text("ask: Why is the loss flat?\nanswer: Because.\n")
    (folder / "looked-up.yaml").write_text("level: reference\nask: Where is the loss kept?\nanswer: There.\n")
    due = json.loads(run("--bank", str(folder), "due", "--json").stdout)
    mine = next(t for t in due["topics"] if t["topic"] == "mine")
    assert (mine["total"], mine["new"]) == (1, 1)
    found = json.loads(run("--bank", str(folder), "search", "loss", "--json").stdout)
    assert {q["id"] for q in found} >= {"mine:asked", "mine:looked-up"}
    assert run("--bank", str(folder), "show", "mine:looked-up").exit_code == 0


def test_an_own_question_is_studied_like_any_other(run):
    """One in one language is found, shown, rated and counted."""
    found = json.loads(run("--bank", str(FOREIGN), "search", "负载均衡", "--json").stdout)
    assert "foreign:MoE" in {q["id"] for q in found}
    shown = run("--bank", str(FOREIGN), "show", "foreign:MoE")
    assert shown.exit_code == 0 and "负载均衡" in shown.stdout and "$" not in shown.stdout
    assert run("--bank", str(FOREIGN), "answer", "foreign:MoE", "good").exit_code == 0
    topics = {t["topic"]: t for t in json.loads(run("--bank", str(FOREIGN), "due", "--json").stdout)["topics"]}
    assert (topics["面试"]["total"], topics["llm"]["total"]) == (4, 8)
