"""Recall: the first kind of card."""

from hypothesis import given
from hypothesis import strategies as st

from studyapp.bank.model import Point, Question, Text
from studyapp.bank.refs import CardId
from studyapp.quiz.kinds import Response
from studyapp.quiz.recall import Recall, suggest
from studyapp.reviews.log import Rating

TEXT = Text("why", "为什么")
QUESTION = Question(
    id="mine:q", topic="t", level="core", ask=TEXT, brief=TEXT, answer=TEXT,
    points=tuple(Point(en=f"point {n}", zh=f"要点 {n}", cite=("a2020",)) for n in range(3)),
)  # fmt: skip


def test_ticks_suggest_a_rating():
    """All ticked is Good, at least two thirds Hard, fewer Again, and Easy is never suggested."""
    assert [suggest(ticked, 3) for ticked in range(4)] == [Rating.AGAIN, Rating.AGAIN, Rating.HARD, Rating.GOOD]
    assert [suggest(ticked, 5) for ticked in range(6)] == [1, 1, 1, 1, 2, 3]
    assert suggest(0, 0) == Rating.GOOD


def test_a_question_gives_one_card_that_asks_it():
    """Every question has a recall card, named by its id, that asks its question and offers its points."""
    kind = Recall()
    assert [str(card) for card in kind.cards(QUESTION)] == ["mine:q#recall"]
    asked = kind.ask(QUESTION, CardId.parse("mine:q#recall"), seed=5)
    assert asked.text["zh"] == "为什么" and [option["en"] for option in asked.options] == ["point 0", "point 1", "point 2"]


@given(st.sets(st.integers(0, 2)), st.text())
def test_what_was_ticked_and_written_is_kept(ticked, written):
    """The ticks and the rating they suggest go into the log, and an outline where one was written."""
    kind = Recall()
    grade = kind.grade(kind.ask(QUESTION, CardId.parse("mine:q#recall"), 0), Response(tuple(ticked), written))
    kept = grade.kept()
    assert kept["ticked"] == sorted(ticked) and kept["suggested"] == suggest(len(ticked), 3) and grade.right is None
    assert kept.get("outline", "") == written.strip() and ("outline" in kept) == bool(written.strip())
