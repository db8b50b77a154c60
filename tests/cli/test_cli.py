"""The commands as a person types them."""

import json
import re
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete
from rich.cells import cell_len

from studyapp.cli import cli
from studyapp.context import AppContext
from studyapp.i18n import Translations
from studyapp.render.page import page

QUESTION = "softmax-overflow"


def test_a_rating_moves_the_card(run) -> None:
    """`answer` schedules the card, and `show --json` tells its state."""
    assert json.loads(run("show", QUESTION, "--json").output)["card"]["state"] == "new"
    assert run("answer", QUESTION, "easy", "--at", "2026-11-23T18:00+00:00").exit_code == 0
    card = json.loads(run("show", QUESTION, "--json").output)["card"]
    assert set(card) == {"state", "due_at", "stability", "difficulty", "reps", "lapses"}
    assert (card["state"], card["reps"], card["lapses"]) == ("review", 1, 0)
    assert card["due_at"] > "2026-11-24"


def test_an_answer_before_the_last_review_is_refused(run) -> None:
    """A clock set back, or a wrong `--at`, changes nothing and says so."""
    run("answer", QUESTION, "good", "--at", "2026-11-23T18:00+00:00")
    refused = run("answer", QUESTION, "good", "--at", "2026-11-22T18:00+00:00")
    assert refused.exit_code == 1
    assert "2026-11-23" in refused.output
    assert json.loads(run("show", QUESTION, "--json").output)["card"]["reps"] == 1


def test_an_unknown_id_is_told_with_its_nearest(run) -> None:
    """A slip in an id is answered with the id that was meant, on stderr, and exit code 1."""
    said = run("show", "softmax-overflw")
    assert said.exit_code == 1
    assert QUESTION in said.stderr
    assert said.stdout == ""


def test_an_unknown_rating_is_refused(run) -> None:
    """Only the four ratings are taken."""
    assert run("answer", QUESTION, "splendid").exit_code == 2


def test_due_counts_every_scheduled_question(run) -> None:
    """`due --json` counts by topic what `due` counts in all."""
    said = json.loads(run("due", "--json").output)
    assert said["due"] == said["learning"] == 0
    assert said["new"] > 0
    assert {"foundations", "attention", "position", "inference"} <= {t["topic"] for t in said["topics"]}


@pytest.mark.parametrize("language", ["en", "zh"])
def test_due_sets_numbers_apart_from_titles(run, language: str) -> None:
    """No topic's title runs into the words after it, the longest neither."""
    lines = run("--lang", language, "due").output.splitlines()
    titles = [line for line in lines if line.startswith("  ")]
    assert titles and all("  " in line.strip() for line in titles)


def test_search_finds_chinese_words_of_two_characters(run) -> None:
    """`search 溢出` finds the question on overflow."""
    assert QUESTION in [q["id"] for q in json.loads(run("search", "溢出", "--json").output)]


def test_search_that_finds_nothing_says_so(run) -> None:
    """On stderr, with exit code 1, in JSON too; in the learner's language."""
    said = run("search", "zzzz")
    assert (said.exit_code, said.stdout) == (1, "") and "zzzz" in said.stderr
    assert json.loads(run("search", "zzzz", "--json").stdout) == []
    assert "没有题目" in run("--lang", "zh", "search", "zzzz").stderr


@pytest.mark.parametrize(
    "words",
    [
        ("answer", QUESTION, "splendid"),
        ("answer", QUESTION, "good", "--at", "yesterday"),
        ("answer", QUESTION, "good", "--at", "2062-01-01"),
        ("run", "foundations/softmax_overflow", "--set", "scale"),
        ("export", "nosuch", "-o", "x"),
        ("export", "csv", "-o", "x", "--topic", "nosuch"),
        ("--bank", "/nowhere", "due"),
        ("nosuch",),
    ],
)
def test_a_wrong_call_leaves_with_2(run, words: tuple[str, ...]) -> None:
    """An option without its value, a time that is none, a form or topic that does not exist: 2, and nothing done."""
    said = run(*words)
    assert said.exit_code == 2, said.output
    assert said.stderr and not Path("x").exists()


def test_common_errors_speak_the_learner_s_language(run) -> None:
    """Unknown questions, demos and claims and a wrong call are told in Chinese where the app speaks Chinese."""
    for words in (
        ("show", "softmax-overflw"),
        ("run", "foundations/softmax_overflw"),
        ("run", "foundations/softmax_overflow.nosuch"),
        ("verify", "nosuch"),
        ("answer", QUESTION, "good", "--at", "yesterday"),
        ("export", "csv", "-o", "x", "--topic", "nosuch"),
    ):
        lines = run("--lang", "zh", *words).stderr.splitlines()
        assert len(lines) == 2 and all(re.search("[\u4e00-\u9fff]", line) for line in lines), lines


def test_the_bank_that_ships_has_no_finding(run) -> None:
    """`check` is clean on the questions and demos of this repository."""
    said = run("check")
    assert said.exit_code == 0, said.output


def test_every_command_of_the_readme_exists() -> None:
    """The README names no command that the program lacks."""
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^studyapp ([a-z][a-z-]*)", readme, re.M)) | set(re.findall(r"`studyapp ([a-z][a-z-]*)", readme))
    assert named == set(cli.commands)


def test_every_command_says_what_it_does() -> None:
    """Each command and each of its options has help."""
    for command in cli.commands.values():
        assert command.help
        for parameter in command.params:
            if parameter.param_type_name == "option" and parameter.name not in {"seed"}:
                assert parameter.help or parameter.name in {"output", "languages"}, (command.name, parameter.name)


@pytest.mark.parametrize("form", ["anki", "csv", "markdown", "json"])
def test_every_format_is_written(run, tmp_path: Path, form: str) -> None:
    """Each form leaves a file and names how many questions it holds."""
    out = tmp_path / f"out.{form}"
    said = run("export", form, "-o", str(out), "--topic", "inference")
    assert said.exit_code == 0, said.output
    assert out.stat().st_size > 0
    assert re.match(r"\d+ questions", said.output)


def test_progress_goes_where_it_has_a_place(run, tmp_path: Path) -> None:
    """A JSON export holds it, a CSV has no place for it and says so."""
    run("answer", QUESTION, "good", "--at", "2026-11-23T18:00+00:00")
    assert run("export", "json", "--progress", "-o", str(tmp_path / "a.jsonl")).exit_code == 0
    said = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text("utf-8").splitlines()]
    assert next(q for q in said if q["id"] == QUESTION)["card"]["reps"] == 1
    refused = run("export", "csv", "--progress", "-o", str(tmp_path / "a.csv"))
    assert refused.exit_code == 2 and "anki, json" in refused.output and not (tmp_path / "a.csv").exists()


def test_a_backup_comes_back(run, tmp_path: Path) -> None:
    """What was backed up is there again after `restore`."""
    run("answer", QUESTION, "good", "--at", "2026-11-23T18:00+00:00")
    kept = tmp_path / "kept.db"
    assert run("backup", "-o", str(kept)).exit_code == 0
    run("answer", QUESTION, "good", "--at", "2026-11-25T18:00+00:00")
    restored = run("restore", str(kept))
    assert restored.exit_code == 0, restored.output
    assert json.loads(run("show", QUESTION, "--json").output)["card"]["reps"] == 1


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("studyapp show softmax-ov", "softmax-overflow"),
        ("studyapp answer softmax-ov", "softmax-overflow"),
        ("studyapp run foundations/softmax_o", "foundations/softmax_overflow"),
        ("studyapp run foundations/exp_overflow.many", "foundations/exp_overflow.many_logits_overflow_earlier"),
        ("studyapp verify position/rope_d", "position/rope_decay"),
        ("studyapp export csv --topic found", "foundations"),
    ],
)
def test_tab_completes_what_stands_in_the_content(line: str, offered: str) -> None:
    """The shell is offered ids, demos, claims and topics that begin with what was typed."""
    *words, last = line.split()[1:]
    complete = ShellComplete(cli, {}, "studyapp", "_STUDYAPP_COMPLETE")
    assert offered in [item.value for item in complete.get_completions(words, last)]


def test_a_terminal_gets_drawn_formulas_and_a_pipe_the_text(run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Piped, an answer is as it was written; on a terminal its formulas are drawn within the width."""
    assert "\\frac" in run("show", "attention-scaling-sqrt-dk").output or "$$" in run("show", "kl-divergence").output
    assert "\x1b" not in run("show", "kl-divergence").output
    context = AppContext()
    document = context.document(context.question("kl-divergence"))
    for language in ("en", "zh"):
        shown = page(document, Translations.load(language), 72)
        assert "$$" not in shown and "\\log" not in shown and "\x1b[" in shown
        assert max(map(cell_len, re.sub(r"\x1b\[[0-9;]*m", "", shown).splitlines())) <= 72


def test_doctor_leaves_with_1_where_the_database_is_ill(run, tmp_path: Path) -> None:
    """A script can ask whether all is well."""
    assert run("doctor").exit_code == 0
    (tmp_path / "home" / "reviews.db").write_bytes(b"garbage")
    said = run("doctor")
    assert said.exit_code == 1 and "damaged" in said.stderr


@pytest.mark.parametrize("words", [("export", "csv"), ("backup",)])
def test_the_database_is_never_written_over(run, tmp_path: Path, words: tuple[str, ...]) -> None:
    """A slip in -o costs no review."""
    run("answer", QUESTION, "good")
    database = tmp_path / "home" / "reviews.db"
    before = database.read_bytes()
    said = run(*words, "-o", str(database))
    assert said.exit_code == 1 and "not written over" in said.stderr
    assert database.read_bytes() == before


def test_a_question_and_its_demo_open_in_the_editor(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`open` hands the question's file, or its demo's, to $EDITOR; a file that could not be read opens too."""
    log = tmp_path / "log"
    editor = tmp_path / "editor"
    editor.write_text(f'#!/bin/sh\necho "$1" >> {log}\n')
    editor.chmod(0o755)
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", str(editor))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "bad.yaml").write_text("ask: x\n")
    (tmp_path / "mine" / "own.yaml").write_text("ask: x\nanswer: y\n")
    for words in ((QUESTION,), (QUESTION, "--demo"), ("mine:bad",)):
        said = run("--bank", str(tmp_path / "mine"), "open", *words)
        assert said.exit_code == 0, said.output
    names = [Path(line).name for line in log.read_text().splitlines()]
    assert names == [f"{QUESTION}.yaml", "exp_overflow.py", "bad.yaml"]
    assert run("--bank", str(tmp_path / "mine"), "open", "mine:own", "--demo").exit_code == 1


def test_stats_say_what_they_count(run) -> None:
    """One review is one review; retention says of which cards; the forecast has its days and its sum."""
    assert "no review of a card in review yet" in run("stats").stdout
    run("answer", QUESTION, "easy", "--at", "2026-01-01T12:00")
    said = run("stats").stdout
    assert said.startswith("1 review ") and "in all)" in said and re.search(r"due from \d{4}-\d\d-\d\d to \d{4}", said)
    run("answer", QUESTION, "good", "--at", "2026-03-01T12:00")
    assert "retention 100%: 1 of 1 recalled, counting reviews of cards in review" in run("stats").stdout


def test_what_a_search_finds_is_put_away_and_exported(run):
    """`suspend` names each question, `--off` brings them back, `export --find` holds just what is found."""
    given = run("suspend", "topic:compression level:core")
    names = given.output.split("\n")
    assert given.exit_code == 0 and "mixed-precision-training" in names
    assert "mixed-precision-training" in run("search", "is:suspended").output
    assert run("export", "json", "-o", "-", "--find", "is:suspended").output.count('"id": "mixed-precision-training"') == 1
    assert run("suspend", "--off", "is:suspended").exit_code == 0
    nothing = run("search", "is:suspended")
    assert nothing.exit_code == 1 and "mixed" not in nothing.output
    refused = run("suspend", "is:suspended")
    assert refused.exit_code and "is:suspended" in refused.output
    refused = run("export", "json", "-o", "-", "--find", "is:suspended")
    assert refused.exit_code == 1
