"""`studyapp interview` without a terminal: what was held."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from studyapp import interviews
from studyapp.context import AppContext


@pytest.fixture
def one(home: Any) -> str:
    """An interview with two answers; its id."""
    context = AppContext(home=home, clock=lambda: datetime(2026, 11, 24, 12, tzinfo=UTC))
    session = interviews.begin(context, 20, ["moe"], seed=1)
    for ticked in ([0, 1], []):
        card = session.next(context.clock())
        session.answer(card, 2, context.clock(), seconds=70, data={"ticked": ticked, "outline": "top-k\nthen a sum"})
    context.close()
    return session.id


def test_before_any_interview_the_way_to_begin_is_said(run: Any, home: Any) -> None:
    """Nothing is made for looking."""
    assert run("interview", "--list").exit_code == 1
    given = run("interview", "--sheet", "last")
    assert given.exit_code and "studyapp interview --minutes 30" in given.output and not (home / "reviews.db").exists()


def test_the_list_names_the_interviews(run: Any, one: str) -> None:
    """A line each, with its id."""
    given = run("interview", "--list")
    assert given.exit_code == 0 and one in given.output and "2 asked" in given.output


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_sheet_is_markdown_with_what_was_said(run: Any, one: str, language: str) -> None:
    """By id and as the last: ticked and missed points, the outline as it was written, what to study tonight."""
    sheet = run("--lang", language, "interview", "--sheet", one).output
    assert sheet == run("--lang", language, "interview", "--sheet", "last").output
    assert sheet.count("- [x]") == 2 and sheet.count("- [ ]") >= 3 and "   > then a sum" in sheet
    assert ("## Tonight" if language == "en" else "## 今晚看") in sheet and "1:10" in sheet


def test_an_unknown_id_names_the_known(run: Any, one: str) -> None:
    """And an unknown topic the known ones, before a terminal is asked for."""
    given = run("interview", "--sheet", "nope")
    assert given.exit_code and one in given.output
    given = run("interview", "--topics", "atention")
    assert given.exit_code and "did you mean attention?" in given.output


def test_json_says_all_of_it(run: Any, one: str) -> None:
    """The list and the sheet are the same document."""
    (listed,) = json.loads(run("interview", "--list", "--json").output)
    assert listed == json.loads(run("interview", "--sheet", "last", "--json").output)
    assert listed["id"] == one and [a["ticked"] for a in listed["answers"]] == [[0, 1], []]


def test_to_hold_one_takes_a_terminal(run: Any, home: Any) -> None:
    """Said before anything is opened."""
    given = run("interview")
    assert given.exit_code == 2 and "terminal" in given.output and not (home / "reviews.db").exists()
