"""A few of each of the long trials."""

import sys

import pytest

from tests.campaigns import hostile_files, kills


def test_a_hostile_question_file_gives_findings_and_text_and_nothing_else() -> None:
    """However a file is broken, nothing is raised, no control character comes out, and nothing takes five seconds."""
    failures, read = hostile_files.campaign(60, seed=1)
    assert not failures, failures[0].why
    assert read > 5, "some of the files must be read as questions, or nothing of them was tried"


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork and SIGKILL")
def test_a_killed_writer_loses_and_doubles_nothing() -> None:
    """Whenever a process that writes reviews is killed, all it had said was written is there, once, and the cards fit the log."""
    trials = kills.campaign(16, seed=1)
    assert not [t.problems for t in trials if t.problems]
    assert sum(t.acknowledged for t in trials) > 0, "some events must have been acknowledged, or nothing was tried"
