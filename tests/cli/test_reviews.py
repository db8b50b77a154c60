"""The commands that look after the reviews."""

import json
import shlex
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from studyapp.reviews.store import Store
from studyapp.settings import Settings

QUESTION, OTHER = "softmax-overflow", "kl-divergence"
AT = ("--at", "2026-11-23T18:00+00:00")


def state(run, question: str = QUESTION) -> dict:
    return json.loads(run("show", question, "--json").output)["card"]


def test_undo_says_what_it_took_back(run) -> None:
    """The last act is taken back, named with its rating and time; then the one before; then there is nothing."""
    run("answer", OTHER, "good", *AT)
    run("answer", QUESTION, "easy", *AT)
    said = run("undo")
    assert said.exit_code == 0 and QUESTION in said.output and "Easy" in said.output and "2026-11-2" in said.output
    assert state(run)["reps"] == 0 and state(run, OTHER)["reps"] == 1
    assert OTHER in run("--lang", "zh", "undo").output
    nothing = run("undo")
    assert nothing.exit_code == 1 and "nothing to take back" in nothing.stderr


def test_a_review_too_early_names_the_undo(run) -> None:
    """Where a card was rated later than the time given, the hint says how to take that back."""
    run("answer", QUESTION, "good", *AT)
    refused = run("answer", QUESTION, "good", "--at", "2026-11-22T18:00+00:00")
    assert refused.exit_code == 1 and "studyapp undo" in refused.stderr


FAR = ["9999-12-31T23:59:59", "9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+14:00", "0001-01-01", "2062-11-26T10:00"]


@pytest.mark.parametrize("at", FAR)
def test_times_out_of_reach_are_refused(run, at: str) -> None:
    """A time that is still to come, or that no calendar reaches, is refused in words and writes nothing."""
    refused = run("answer", QUESTION, "easy", "--at", at)
    assert refused.exit_code == 2 and refused.stderr and isinstance(refused.exception, SystemExit)
    assert state(run)["reps"] == 0


def test_two_computers_come_to_the_same(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`merge` takes in what is new of another reviews.db and says how much; the second time nothing is."""
    run("answer", QUESTION, "good", *AT)
    monkeypatch.setenv("STUDYAPP_HOME", str(tmp_path / "other"))
    run("answer", OTHER, "good", *AT)
    monkeypatch.setenv("STUDYAPP_HOME", str(tmp_path / "home"))
    first, second = (run("merge", str(tmp_path / "other" / "reviews.db")) for _ in range(2))
    assert "1 new event" in first.output and "before-merge" in first.output
    assert "0 new events taken in, 1 were known" in second.output
    assert state(run, OTHER)["reps"] == 1


def test_merge_refuses_a_foreign_file(run, tmp_path: Path) -> None:
    """A database of something else is refused by name."""
    with closing(sqlite3.connect(tmp_path / "music.db")) as connection:
        connection.execute("CREATE TABLE events (id, name)")
    said = run("merge", str(tmp_path / "music.db"))
    assert said.exit_code == 1 and "music.db: is no database of reviews" in said.stderr


def test_a_restore_can_be_gone_back_on_by_pasting(run, tmp_path: Path) -> None:
    """What `restore` prints is the command that brings the former database back."""
    run("answer", QUESTION, "good", *AT)
    run("backup", "-o", str(tmp_path / "my backup.db"))
    run("answer", OTHER, "good", *AT)
    said = run("restore", str(tmp_path / "my backup.db"))
    assert said.exit_code == 0 and "1 event" in said.output and state(run, OTHER)["reps"] == 0
    command = said.output.splitlines()[-1].rpartition(": ")[2]
    assert run(*shlex.split(command)[1:]).exit_code == 0 and state(run, OTHER)["reps"] == 1


def test_reviews_that_are_gone_are_not_begun_anew(run, home: Path) -> None:
    """With the database gone and backups there, every command says how to bring it back; `begin-anew` begins with
    none, and refuses where there is a database."""
    run("answer", QUESTION, "good", *AT)
    run("backup")
    (home / "reviews.db").unlink()
    for words in (["stats"], ["due"], ["doctor"], ["answer", QUESTION, "good"]):
        said = run(*words)
        assert said.exit_code == 1 and "is gone" in said.stderr and "studyapp restore" in said.stderr
    assert not (home / "reviews.db").exists()
    assert run("begin-anew").exit_code == 0 and state(run)["reps"] == 0
    assert run("begin-anew").exit_code == 1 and run("doctor").exit_code == 0


def test_doctor_compares_the_cards_with_the_log(run, home: Path) -> None:
    """A card that is not what the log makes of it is named, and exit code 1; `--rebuild` mends it and says what it was."""
    run("answer", QUESTION, "good", *AT)
    with closing(sqlite3.connect(home / "reviews.db")) as connection:
        connection.execute("UPDATE cards SET reps = 5")
        connection.commit()
    said = run("doctor")
    assert said.exit_code == 1 and f"{QUESTION}#recall: reps 5, by the log 1" in said.stdout
    assert "studyapp doctor --rebuild" in said.stderr
    assert json.loads(run("doctor", "--json").stdout)["differing"] == [f"{QUESTION}#recall: reps 5, by the log 1"]
    mended = run("doctor", "--rebuild")
    assert mended.exit_code == 0 and "reps 5" in mended.output and "1 differed" in mended.output
    assert run("doctor").exit_code == 0 and state(run)["reps"] == 1


def test_the_schedule_obeys_the_settings(run, home: Path) -> None:
    """A learner who asks for less retention gets longer intervals, with what `answer` stores."""
    home.mkdir(parents=True)
    days = []
    for retention in (0.9, 0.75):
        (home / "settings.toml").write_text(f"desired_retention = {retention}\n")
        run("answer", QUESTION, "easy", *AT)
        days.append(state(run)["due_at"])
        run("undo")
    assert days[0] < days[1]
    with Store.open(home / "reviews.db", Settings()) as store:
        kept = [event.config.desired_retention for event in store.events() if event.config]
    assert sorted(kept) == [0.75, 0.9]
