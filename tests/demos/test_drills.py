"""What every drill of the bank keeps when it is asked: its answer can be typed, and another number is wrong."""

import math
import os

import pytest

from studyapp.bank.model import Question, Text
from studyapp.bank.refs import CardId
from studyapp.evidence.exercises import draw_drill, find_drills
from studyapp.lab.catalog import Catalog
from studyapp.paths import demos_dir
from studyapp.quiz.drill import Drill
from studyapp.quiz.kinds import Response
from studyapp.quiz.quantity import KINDS, kind_of
from studyapp.render.quiz import answer_text

CATALOG = Catalog.load(demos_dir())
DRILLS = [f"{name}.{drill.name}" for name, demo in CATALOG.demos.items() for drill in demo.drills]
SEEDS = range(1000 if os.environ.get("STUDYAPP_TEST_ALL") else 12)
TEXT = Text("ask", "问")


@pytest.mark.parametrize("ref", DRILLS)
def test_the_answer_can_be_typed_and_another_number_is_wrong(demo, ref: str) -> None:
    """Whatever the seed: the answer as it is shown, rounded as people round, with its unit or without, is right; its double is
    not, nor its half, nor one that is off by twice the tolerance."""
    name, _, which = ref.partition(".")
    make, kind = find_drills(demo(name))[which], Drill()
    question = Question(id="q", topic="t", level="core", ask=TEXT, brief=TEXT, answer=TEXT, points=(), drills=(ref,))
    card = CardId("q", "drill", which)
    assert kind.cards(question) == (card,)
    for seed in SEEDS:
        number = draw_drill(make, seed)
        assert kind_of(number.unit) in KINDS, f"answers cannot be typed in {number.unit!r}"
        asked = kind.ask(question, card, seed).made(number)

        def right(typed: str, asked=asked) -> bool | None:
            return kind.grade(asked, Response(typed=typed)).right

        for typed in (f"{number.answer:.6g}", f"{number.answer:.6g} {number.unit}", answer_text(number)):
            assert right(typed), f"seed {seed}: {typed} is refused, the answer is {number.answer} ± {number.within}"
        off = 2.0 * (number.within or 0) + 1e-3 * abs(number.answer)
        for value in (2 * number.answer, number.answer / 2, number.answer + off, number.answer - off):
            far = abs(value - number.answer) > (number.within or 0) * 1.01
            assert not (far and math.isfinite(value) and right(f"{value:.9g} {number.unit}")), f"seed {seed}: {value} is accepted"
