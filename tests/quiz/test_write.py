"""Functions to write, as cards."""

from typing import Any

import msgspec
import pytest

from studyapp.bank.model import Question, Text
from studyapp.bank.refs import CardId
from studyapp.quiz.kinds import Response
from studyapp.quiz.write import Write
from studyapp.reviews.log import Rating

TEXT = Text("ask", "问")
QUESTION = Question(
    id="q", topic="t", level="core", ask=TEXT, brief=TEXT, answer=TEXT, points=(), write=("a/one.scale", "b/two.mask", "b/two.mask")
)
KIND = Write()


def rated(**response: Any) -> Rating:
    return KIND.grade(KIND.ask(QUESTION, CardId("q", "write", "mask"), 1), Response(**response)).suggested


def test_each_function_that_a_question_names_is_a_card() -> None:
    """Once each, in their order; the card names the demo that has it."""
    assert [str(card) for card in KIND.cards(QUESTION)] == ["q#write:scale", "q#write:mask"]
    assert [KIND.ask(QUESTION, card, 1).exercise for card in KIND.cards(QUESTION)] == ["a/one.scale", "b/two.mask"]
    assert KIND.ask(QUESTION, CardId("q", "write", "mask"), 1).form == "code"
    assert not KIND.cards(msgspec.structs.replace(QUESTION, write=()))


@pytest.mark.parametrize(
    ("response", "rating"),
    [
        ({"held": True, "seconds": 3.0}, Rating.GOOD),
        ({"held": True, "seconds": 1799.0}, Rating.GOOD),
        ({"held": True, "seconds": 1801.0}, Rating.HARD),
        ({"held": True, "hinted": True}, Rating.HARD),
        ({"held": True, "peeked": True}, Rating.AGAIN),
        ({"held": False}, Rating.AGAIN),
        ({}, Rating.AGAIN),
    ],
)
def test_what_the_claims_said_is_the_suggestion(response: dict[str, Any], rating: Rating) -> None:
    """All held is Good, Hard with a hint or after half an hour; a look at the demo's own, a claim that broke, or nothing
    written is Again; Easy is never suggested."""
    assert rated(**response) == rating


def test_what_happened_is_kept() -> None:
    """Whether it held, where it was judged, and what helped."""
    asked = KIND.ask(QUESTION, CardId("q", "write", "mask"), 1)
    assert KIND.grade(asked, Response(held=True, hinted=True)).data == {"right": True, "hinted": True, "held": True}
    assert KIND.grade(asked, Response()).data == {"right": False}
