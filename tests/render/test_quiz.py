"""What is said after an answer."""

import pytest

from studyapp.bank.model import Bank, Correction, Paper, Point, Question, Source, Text
from studyapp.bank.refs import CardId
from studyapp.evidence.exercises import Drill
from studyapp.quiz.kinds import Asked, Statement
from studyapp.render.quiz import NOWHERE, answer_text, explain

TEXT = Text("ask", "问")
QUESTION = Question(id="q", topic="t", level="core", ask=TEXT, brief=TEXT, answer=TEXT, points=())
BANK = Bank(
    (),
    {},
    papers={"a2020": Paper("a2020", "A and B", 2020, "Title", "arXiv:2001.00001")},
    sources={"n1": Source("n1", "note", "Why it is", 3)},
)
POINT = Point(en="It is", zh="是", proof=("t/demo.one",))
BELIEF = Correction(
    wrong=Text("It is not", "并非"), right=Text("It is so", "确是"), proof=("t/demo.two",), heard=("n1", "a2020 §3", "a2020", "b2021 §1")
)


def asked(*sources: Point | Correction, answer: int = 0) -> Asked:
    statements = tuple(Statement(TEXT, source) for source in sources)
    options = (Text("true", "对"), Text("false", "错"))
    return Asked(CardId("q", "choice"), QUESTION, TEXT, options, 1, statements, answer)


@pytest.mark.parametrize(
    ("answer", "within", "text"),
    [
        (1_234_567, 0, "1,234,567"),
        (123456.7, 0.01, "123456.7"),
        (1 / 3, 0.01, "0.3333"),
        (0.123456, 1e-7, "0.123456"),
        (1234567.0, 12345.0, "1,235,000"),
    ],
)
def test_an_answer_has_the_digits_that_make_it_right(answer: float, within: float, text: str) -> None:
    """At least four and as many as its tolerance asks for, thousands apart where it is whole, with its unit."""
    assert answer_text(Drill(en="?", zh="？", answer=answer, within=within, proved_by="c", unit="GiB")) == f"{text} GiB"


def test_a_belief_is_put_right_wherever_it_stands() -> None:
    """With the sentence that is so, the claims that show it, and where it is heard: a heading, or a paper and the place in it."""
    for told in (explain(asked(POINT, BELIEF, answer=1), BANK), explain(asked(BELIEF, answer=1), BANK)):
        assert (told.answer.en, told.lines, told.claims, told.support) == ("false", (BELIEF.right,), ("t/demo.two",), BELIEF)
        assert told.heard.en == "the study notes, “Why it is”, A and B (2020) §3, A and B (2020), b2021 §1"
        assert told.heard.zh.startswith("学习笔记「Why it is」")


def test_a_true_sentence_is_told_with_what_shows_it() -> None:
    """It is heard nowhere."""
    told = explain(asked(POINT), BANK)
    assert (told.answer.en, told.lines, told.claims, told.heard) == ("true", (Text("It is", "是"),), ("t/demo.one",), NOWHERE)


def test_a_number_is_told_with_its_tolerance_its_steps_and_the_claim_of_its_demo() -> None:
    """The claim that it rests on is of the same demo."""
    number = Drill(en="?", zh="？", answer=2, within=0.5, proved_by="size", unit="GiB", steps=(("one", "一"), ("two", "二")))
    told = explain(Asked(CardId("q", "drill", "d"), QUESTION, TEXT, drill="t/demo.d").made(number), BANK)
    assert (told.answer.zh, told.claims) == ("2 GiB (± 0.5)", ("t/demo.size",))
    assert told.lines == (Text("one", "一"), Text("two", "二"))
