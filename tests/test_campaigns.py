"""A few of each of the long trials."""

import sys

import pytest

from tests.campaigns import bad_demos, hostile_files, kills


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


@pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc alone")
def test_a_demo_that_misbehaves_is_a_message_and_an_end() -> None:
    """Of each kind of misbehaviour one: it ends in a sentence, leaves no process, and the lab runs a good demo after it."""
    chosen = {
        "sys.exit with words", "segfault", "a thread that never ends", "a grandchild whose parent left", "a shell that traps signals",
        "the app's worker killed, and a child left behind", "a forged end", "brackets without end", "control characters everywhere",
        "the largest numbers", "links out of its folder", "no umask", "everything closed", "leaves when loaded",
    }  # fmt: skip
    demos = [one for one in bad_demos.DEMOS if one.name in chosen]
    assert len(demos) == len(chosen)
    trials = bad_demos.campaign(demos)
    assert [(t.name, t.problems) for t in trials if t.problems] == []


def test_there_are_many_bad_demos_and_none_twice() -> None:
    """The list holds more than a hundred, each under a name of its own."""
    assert len({one.name for one in bad_demos.DEMOS}) == len(bad_demos.DEMOS) > 100
