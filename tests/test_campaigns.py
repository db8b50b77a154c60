"""A few of each of the long trials."""

from tests.campaigns import hostile_files


def test_a_hostile_question_file_gives_findings_and_text_and_nothing_else() -> None:
    """However a file is broken, nothing is raised, no control character comes out, and nothing takes five seconds."""
    failures, read = hostile_files.campaign(60, seed=1)
    assert not failures, failures[0].why
    assert read > 5, "some of the files must be read as questions, or nothing of them was tried"
