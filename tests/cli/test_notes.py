"""A star and a note at the command line, and where they go from there."""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from studyapp.cli import cli
from studyapp.evidence.types import Outcome
from studyapp.lab.client import LabClient
from studyapp.lab.collect import RunFold
from studyapp.lab.protocol import Ended

QUESTION, OTHER = "softmax-overflow", "mla"


def test_star_and_note_are_kept_listed_and_taken_back(run) -> None:
    """A star and a note are there in another call, `undo` says which it takes back, and an empty text takes a note away."""
    run("star", QUESTION)
    run("note", QUESTION, "max first\nthen exp")
    assert run("note", QUESTION).output == "max first\nthen exp\n"
    assert run("notes").output == f"★ {QUESTION}\tmax first …\n"
    assert "note on softmax-overflow" in run("undo").output and run("undo").output.startswith(f"taken back: {QUESTION} starred")
    assert "no question has" in run("notes").output
    run("note", QUESTION, "x")
    assert "taken away" in run("note", QUESTION, "").output and json.loads(run("notes", "--json").output) == []


def test_a_note_is_read_from_a_pipe_and_from_the_editor(run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`-` reads standard input; --edit opens the editor with the note as it is."""
    CliRunner().invoke(cli, ["note", QUESTION, "-"], input="缓存 a\nb\n")
    assert json.loads(run("note", QUESTION, "--json").output) == {"id": QUESTION, "starred": False, "note": "缓存 a\nb"}
    editor = tmp_path / "editor.sh"
    editor.write_text('#!/bin/sh\necho "more" >> "$1"\n')
    editor.chmod(0o755)
    monkeypatch.setenv("VISUAL", str(editor))
    assert "kept" in run("note", QUESTION, "--edit").output and run("note", QUESTION).output == "缓存 a\nb\nmore\n"
    assert run("note", QUESTION, "x", "--edit").exit_code == 2


def test_show_and_every_export_hold_them_unless_told_not_to(run, tmp_path: Path) -> None:
    """The note stands in show, its JSON, Markdown, CSV and JSON lines, the star is the tag `starred`; --no-notes leaves both out."""
    run("star", QUESTION)
    run("note", QUESTION, "my <b>own</b> words")
    assert "## Your note\n\nmy \\<b>own\\</b> words" in run("show", QUESTION).output
    shown = json.loads(run("show", QUESTION, "--json").output)
    assert (shown["starred"], shown["note"]) == (True, "my <b>own</b> words")
    for form in ("csv", "markdown", "json"):
        with_notes = run("export", form, "--id", QUESTION, "-o", "-").stdout
        without = run("export", form, "--id", QUESTION, "-o", "-", "--no-notes").stdout
        assert re.search(r"my \S*own\S* words", with_notes) and not re.search(r"my \S*own\S* words", without)
        assert form != "csv" or (" starred\"" in with_notes and " starred\"" not in without)
    row = json.loads(run("export", "json", "--id", QUESTION, "-o", "-", "--no-notes").stdout)
    assert (row["starred"], row["note"]) == (False, "")


def test_a_question_is_shown_though_its_reviews_cannot_be_read(run, home: Path) -> None:
    """A damaged database takes the notes from `show` and from an export, which say so, and nothing else."""
    run("note", QUESTION, "mine")
    (home / "reviews.db").write_bytes(b"no database at all, and long enough to be looked at" * 40)
    for words in (["show", QUESTION], ["export", "markdown", "--id", QUESTION, "-o", "-"]):
        said = run(*words)
        assert said.exit_code == 0 and "softmax" in said.stdout and "mine" not in said.stdout and "reviews.db" in said.stderr


def test_reading_makes_no_database(run, home: Path) -> None:
    """`show` and an export of somebody who never studied leave no file behind."""
    run("show", QUESTION)
    assert not (home / "reviews.db").exists()


def test_own_questions_take_notes_too(run, tmp_path: Path) -> None:
    """A question of a personal bank has a star and a note under its own id."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "bpe.yaml").write_text("ask: What is BPE?\nanswer: Merges.\n")
    bank = ("--bank", str(tmp_path / "mine"))
    run(*bank, "note", "mine:bpe", "look at merges")
    assert "look at merges" in run(*bank, "show", "mine:bpe").output and "mine:bpe" in run("notes").output


def test_a_card_lists_what_can_be_worked_out_and_written(run) -> None:
    """Drills and functions stand under a question, each in a line with its command, in both languages."""
    for language, heading in (("en", "## Try it"), ("zh", "## 动手试试")):
        lines = run("--lang", language, "show", OTHER).output.partition(heading)[2].splitlines()
        listed = [line for line in lines if line.startswith("- ")]
        assert "`studyapp drill attention/mla_cache.mla_cache`" in listed[0]
        assert "`studyapp write attention/mla_absorption.absorbed`" in listed[1]
        assert all(len(line) < 200 for line in listed[:2])


def test_a_function_that_was_written_is_judged_by_the_claims(run, tmp_path: Path) -> None:
    """`write` prints the head; the demo's own body below it holds, a wrong one does not, and what is no Python is told."""
    target = "attention/mla_absorption.absorbed"
    head = run("write", target).output
    assert head.startswith("def absorbed(") and "einsum" not in head
    (tmp_path / "right.py").write_text(run("write", target, "--solution").output)
    (tmp_path / "wrong.py").write_text(f"{head}    return c\n")
    (tmp_path / "none.py").write_text(f"{head}    return (\n")
    right, wrong = run("write", target, str(tmp_path / "right.py")), run("write", target, str(tmp_path / "wrong.py"))
    assert right.exit_code == 0 and right.output.startswith("✓")
    assert wrong.exit_code == 1 and wrong.output.startswith("!")  # it raised: that is not called broken
    assert "is not Python" in run("write", target, str(tmp_path / "none.py")).stderr
    assert "there are: absorbed" in run("write", "attention/mla_absorption").stderr


def test_a_claim_that_cannot_be_judged_here_refutes_nothing(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a machine lacks what the claims need, what was written is not called wrong: it is said what is needed."""
    (tmp_path / "body.py").write_text("    return q\n")

    async def not_started(self: LabClient) -> None:
        """The lab is not needed."""

    async def lacking(events: object, each: object) -> RunFold:
        return RunFold({"equals_sdpa": Outcome("equals_sdpa", False, 0.0, skipped="triton")}, ended=Ended(True, "done"))

    monkeypatch.setattr(LabClient, "start", not_started)
    monkeypatch.setattr("studyapp.lab.judging.collect", lacking)
    done = run("write", "attention/flash_attention_triton.over_keys", str(tmp_path / "body.py"))
    assert (done.exit_code, done.output[0]) == (1, "◌") and "needs triton" in done.output and "✗" not in done.output
