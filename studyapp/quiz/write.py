"""Write: a function of a demo, written by the learner and judged by the demo's claims."""

from collections.abc import Sequence

from studyapp.bank.model import Question
from studyapp.bank.refs import CardId, demo_and_claim
from studyapp.quiz.kinds import Asked, Grade, Response, rate

LATE = 1800.0  # seconds


class Write:
    """Asked of every question that names functions to write, a card for each."""

    name = "write"

    def cards(self, question: Question) -> Sequence[CardId]:
        """One card a function, in the order in which the question names them."""
        names = dict.fromkeys(demo_and_claim(ref)[1] for ref in question.write)
        return tuple(CardId(question.id, self.name, name) for name in names if name)

    def ask(self, question: Question, card: CardId, seed: int) -> Asked:
        """The question, and which function answers it; the learner's file is the same each time, what stood in it is kept."""
        ref = next((ref for ref in question.write if demo_and_claim(ref)[1] == card.name), "")
        return Asked(card, question, question.ask, exercise=ref)

    def grade(self, asked: Asked, response: Response) -> Grade:
        """Right where every claim holds and the demo's own was not looked at; Hard with a hint or after half an hour.

        Nobody is quick enough for Easy, which is the learner's own to give.
        """
        right = bool(response.held) and not response.peeked
        data: dict[str, object] = {"right": right}
        data |= {name: True for name in ("hinted", "peeked") if getattr(response, name)}
        if response.held is not None:
            data["held"] = response.held
        return Grade(rate(right, response, 0.0, LATE), data, right)
