"""Drills: how a number that was typed is graded, and which question is made."""

from types import SimpleNamespace
from typing import Any

import pytest

from studyapp.bank.model import Question, Text
from studyapp.bank.refs import CardId
from studyapp.errors import DemoError
from studyapp.evidence.exercises import Drill as Number
from studyapp.i18n import Translations
from studyapp.lab.protocol import Ended
from studyapp.quiz.drill import Drill, drawn, examples
from studyapp.quiz.kinds import Asked, Response
from studyapp.reviews.log import Rating
from tests.doubles import FakeLab

T = Translations.load("en")
KIND = Drill()
TEXT = Text("ask", "问")
DRILLS = ("t/demo.size", "t/demo.share")
QUESTION = Question(id="q", topic="t", level="core", ask=TEXT, brief=TEXT, answer=TEXT, points=(), drills=DRILLS)
SHARE = KIND.ask(QUESTION, CardId("q", "drill", "share"), 7)
MADE = SHARE.made(Number(en="?", zh="？", answer=25.0, unit="%", proved_by="c"))


class Lab(FakeLab):
    """A lab that remembers which drills it made."""

    def __init__(self) -> None:
        super().__init__()
        self.made: list[Any] = []

    def run(self, *args: Any, **more: Any) -> Any:
        self.made += more["drills"]
        return super().run(*args, **more)


def rating(typed: str, seconds: float = 60.0, hinted: bool = False) -> Rating:
    return KIND.grade(MADE, Response(typed=typed, seconds=seconds, hinted=hinted)).suggested


def test_a_number_is_right_in_any_of_its_readings() -> None:
    """A quarter may be typed as 25 or as 0.25; with a unit it has one reading."""
    assert [KIND.grade(MADE, Response(typed=typed)).right for typed in ("25", "0.25", "25 %", "0.25 %")] == [True, True, True, False]


def test_a_number_takes_longer_than_a_choice() -> None:
    """Easy in under twenty seconds, Hard after three minutes or with a hint, Good between; wrong is Again."""
    assert [rating("25", seconds) for seconds in (19, 21, 179, 181)] == [Rating.EASY, Rating.GOOD, Rating.GOOD, Rating.HARD]
    assert (rating("25", 5, hinted=True), rating("26", 5)) == (Rating.HARD, Rating.AGAIN)


@pytest.mark.parametrize("hinted", [True, False])
def test_what_was_typed_is_kept_and_the_hint_where_one_was_taken(hinted: bool) -> None:
    """With the seed, so that the question can be made again."""
    data = KIND.grade(MADE, Response(typed=" 25 ", hinted=hinted)).data
    assert data == {"seed": 7, "typed": "25", "right": True} | ({"hinted": True} if hinted else {})


async def test_the_drill_of_the_card_is_made_from_its_seed_once() -> None:
    """Not the first that the question names; what was made stays, and what is no drill is left as it is."""
    lab, catalog = Lab(), SimpleNamespace(demo=lambda name: name)
    made = await drawn(SHARE, catalog, lab, T)  # type: ignore[arg-type]
    assert lab.made == [("share", 7)] and made.number is not None
    choice = Asked(CardId("q", "choice"), QUESTION, TEXT)
    assert await drawn(made, catalog, lab, T) is made and await drawn(choice, catalog, lab, T) is choice  # type: ignore[arg-type]
    with pytest.raises(DemoError, match="names no such drill"):
        await drawn(KIND.ask(QUESTION, CardId("q", "drill", "gone"), 7), catalog, lab, T)  # type: ignore[arg-type]


async def test_examples_of_a_drill_are_made_in_one_run_of_its_demo() -> None:
    """A card and a seed each, in the order asked for; one that cannot be made names the drill."""
    lab, catalog = Lab(), SimpleNamespace(demo=lambda name: SimpleNamespace(name=name))
    card = CardId("q", "drill", "share")
    made = await examples([(QUESTION, card)], catalog, lab, (1, 2, 3), T)  # type: ignore[arg-type]
    assert [(each.card, each.seed, each.number is not None) for each in made] == [(card, seed, True) for seed in (1, 2, 3)]
    assert lab.made == [("share", 1), ("share", 2), ("share", 3)]
    lab.ends = Ended(False, "unavailable", "no fork here")
    with pytest.raises(DemoError, match="share"):
        await examples([(QUESTION, card)], catalog, lab, (1,), T)  # type: ignore[arg-type]
