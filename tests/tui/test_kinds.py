"""The Study screen with a kind of card that it does not know."""

from collections.abc import Iterator
from typing import Any

import pytest
from textual.widgets import Static

from studyapp.bank.model import Question, Text
from studyapp.bank.refs import CardId
from studyapp.quiz.kinds import Asked, Grade, Response
from studyapp.quiz.registry import KINDS
from studyapp.reviews.log import Rating


class Backwards:
    """Asks for the question from its answer, and thinks that nothing is easier."""

    name = "choice"

    def cards(self, question: Question) -> list[CardId]:
        return [CardId(question.id, self.name)]

    def ask(self, question: Question, card: CardId, seed: int) -> Asked:
        return Asked(card, question, Text(f"Which question? {seed}", f"这是哪个问题？{seed}"), seed=seed)

    def grade(self, asked: Asked, response: Response) -> Grade:
        return Grade(Rating.EASY, {"seed": asked.seed, "ticks": len(response.ticked)}, right=True)


@pytest.fixture
def only_backwards() -> Iterator[None]:
    """No kind but Backwards. The rest come back in their order, which says in what a question is asked first."""
    there = dict(KINDS)
    KINDS.clear()
    KINDS["choice"] = Backwards()
    yield
    KINDS.clear()
    KINDS.update(there)


@pytest.mark.usefixtures("only_backwards")
async def test_a_new_kind_is_asked_rated_kept_and_taken_back(make_app: Any, store: Any) -> None:
    """A card of a new kind is asked by it, its suggestion is marked, what it keeps is in the log, and undo names it."""
    app = make_app(kinds={"all": ("choice",)})
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("enter")
        await pilot.pause()
        asked = str(app.screen.query_one("#ask", Static).content)
        assert asked.startswith("Which question? ")
        await pilot.press("space")
        await pilot.pause()
        assert app.screen.query_one("#rate-4").has_class("-suggested")
        await pilot.press("x", "4")
        await pilot.pause()
        (event,) = store.events()
        assert event.card == "first#choice" and event.data["seed"] == int(asked.split()[-1])
        assert (event.data["ticks"], event.data["suggested"]) == (1, 4)
        await pilot.press("u")
        await pilot.pause()
        assert store.card("first#choice").state == "new"
        assert any("first#choice" in notice.message for notice in app._notifications)


async def test_undo_in_practice_goes_back_to_a_card_that_can_be_rated(make_app: Any, store: Any) -> None:
    """In practice u shows the card before again, says what it took back, and the card can be rated and left."""
    app = make_app()
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("down", "p")
        await pilot.pause()
        ask = lambda: str(app.screen.query_one("#ask", Static).content)  # noqa: E731
        shown = ask()
        await pilot.press("space", "3")
        await pilot.pause()
        after = ask()
        await pilot.press("u")
        await pilot.pause()
        assert ask() == shown != after and any("Good" in notice.message for notice in app._notifications)
        await pilot.press("space", "2")
        await pilot.pause()
        assert ask() == after and store.events() == []
