"""Whose a finding is."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from studyapp.bank.model import Bank, Finding, Question, Text
from studyapp.check.changed import changed_files, yours

ONE = Text("One.", "一。")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with one committed file in questions/."""
    (tmp_path / "questions").mkdir()
    (tmp_path / "questions" / "kept.yaml").write_text("a", "utf-8")
    (tmp_path / "questions" / "Ünïcode.yaml").write_text("a", "utf-8")
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(tmp_path)]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "first"]):
        subprocess.run([*git, *words], check=True)
    return tmp_path


def test_changed_and_new_files_are_found(checkout: Path):
    """What git would commit below the folder, odd names and all; not what is as it was, nor what lies elsewhere."""
    questions = checkout / "questions"
    (questions / "Ünïcode.yaml").write_text("b", "utf-8")
    (questions / "new one.yaml").write_text("b", "utf-8")
    (checkout / "elsewhere.txt").write_text("b", "utf-8")
    assert changed_files([questions]) == {questions / "Ünïcode.yaml", questions / "new one.yaml"}


def test_without_a_checkout_nothing_is_changed(tmp_path: Path):
    """A folder that git does not know, or that is not there, counts as unchanged."""
    assert changed_files([tmp_path, tmp_path / "gone"]) == set()


def test_what_is_yours(tmp_path: Path):
    """What fails is everyone's; warnings are yours in your bank and in changed files; what is planned is nobody's."""
    shipped, own = tmp_path / "a.yaml", tmp_path / "mine" / "b.yaml"
    made = Question(id="mine:b", topic="t", level="core", ask=ONE, brief=ONE, answer=ONE, points=(), file=str(own))
    bank = Bank(questions={"mine:b": made})
    fails = Finding(shipped, 1, "", "fails")
    warns = replace(fails, problem="warns", warning=True)
    planned = replace(warns, group="backlog")
    mine, mine_planned = replace(warns, path=own), replace(planned, path=own)
    all_of_them = [fails, warns, planned, mine, mine_planned]
    assert yours(all_of_them, bank, set()) == {fails, mine}
    assert yours(all_of_them, bank, {shipped}) == {fails, warns, mine}
