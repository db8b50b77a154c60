"""Recall: say the answer, look, and tick the points that were said."""

from collections.abc import Sequence
from typing import Any

from studyapp.bank.model import Question, Text
from studyapp.bank.refs import RECALL, CardId
from studyapp.quiz.kinds import Asked, Grade, Response
from studyapp.reviews.log import Rating


class Recall:
    """Every question is asked so; its points are what can be ticked, and an outline what can be typed."""

    name = RECALL

    def cards(self, question: Question) -> Sequence[CardId]:
        """One card a question."""
        return (CardId(question.id, self.name),)

    def ask(self, question: Question, card: CardId, seed: int) -> Asked:
        """The question as it stands."""
        return Asked(card, question, question.ask, tuple(Text(point.en, point.zh) for point in question.points))

    def grade(self, asked: Asked, response: Response) -> Grade:
        """By how many of the points were ticked; the ticks and the outline are kept."""
        data: dict[str, Any] = {"ticked": sorted(response.ticked)}
        if response.typed.strip():
            data["outline"] = response.typed.strip()
        return Grade(suggest(len(response.ticked), len(asked.options)), data)


def suggest(ticked: int, total: int) -> Rating:
    """The rating the ticked points speak for: all Good, two thirds Hard, fewer Again. Easy is the learner's own."""
    if total <= 0 or ticked >= total:
        return Rating.GOOD
    return Rating.HARD if 3 * ticked >= 2 * total else Rating.AGAIN
