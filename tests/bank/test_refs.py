"""Names of cards and claims are values; only what is well formed becomes one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studyapp.bank.model import Point, Question, Text
from studyapp.bank.refs import CardId, ClaimRef, demo_and_claim
from studyapp.errors import StudyError


@pytest.mark.parametrize("text", ["softmax-overflow#recall", "mine:gelu#write_code"])
def test_a_card_comes_back_as_it_was_written(text: str) -> None:
    """What parses is written the same again, and its halves are the question and the kind."""
    card = CardId.parse(text)
    assert str(card) == text
    assert (card.question, card.kind) == tuple(text.split("#"))


@pytest.mark.parametrize("text", ["", "#", "softmax", "softmax#", "#recall", "a#b#recall", "a#Recall", "a#re call"])
def test_what_is_no_card_is_refused(text: str) -> None:
    """A card lacking question or kind is refused by an error that repeats it and says the form."""
    with pytest.raises(StudyError) as caught:
        CardId.parse(text)
    assert repr(text) in caught.value.message
    assert "recall" in caught.value.hint


def test_a_claim_comes_back_as_it_was_written() -> None:
    """A claim's reference has a demo (topic and name) and a claim, and is written as it was read."""
    ref = ClaimRef.parse("attention/score_scaling.variance_is_dk")
    assert (ref.demo, ref.claim) == ("attention/score_scaling", "variance_is_dk")
    assert str(ref) == "attention/score_scaling.variance_is_dk"


@pytest.mark.parametrize(
    "text",
    ["", ".", "a/b", "a/b.", "b.c", "/b.c", "a/.c", "a/b.c.d", "a/b/c.d", "a/b.c d", "../b.c", "a/b.c\x1b[2J", "a/b .c"],
)
def test_what_is_no_claim_is_refused(text: str) -> None:
    """A reference that lacks topic, demo or claim, or has more, is refused by an error that repeats it."""
    with pytest.raises(StudyError) as caught:
        ClaimRef.parse(text)
    assert repr(text) in caught.value.message
    assert "topic/demo.claim" in caught.value.hint


@given(st.text())
def test_any_text_is_a_reference_or_refused(text: str) -> None:
    """Any text parses to what is written the same again, or is refused; nothing else is raised."""
    for kind in (CardId, ClaimRef):
        try:
            assert str(kind.parse(text)) == text
        except StudyError as error:
            assert repr(text) in error.message


def test_a_target_may_name_a_demo_alone() -> None:
    """The command line takes a demo or a claim of it; both come apart in the same place."""
    assert demo_and_claim("a/b.c") == ("a/b", "c")
    assert demo_and_claim("a/b") == ("a/b", "")


def test_a_question_gives_its_card_and_the_demos_that_can_be_told() -> None:
    """A question's card is its id and `recall`; a claim that is no reference belongs to no demo and stops nothing."""
    text = Text("a", "b")
    points = tuple(Point(en="a", zh="b", proof=(c,)) for c in ("t/one.a", "t/one.b", "nonsense", "t/two.c"))
    question = Question(id="mine:q", topic="t", level="core", ask=text, brief=text, answer=text, points=points)
    assert question.card_id == "mine:q#recall"
    assert question.demos == ("t/one", "t/two")
