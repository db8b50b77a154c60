"""A quiz: so many cards, drawn once, asked one after another, scored and not scheduled."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from random import Random

from studyapp.bank.model import Question
from studyapp.bank.refs import CardId
from studyapp.errors import BankError
from studyapp.quiz.kinds import Asked, Grade, Response
from studyapp.quiz.registry import KINDS, ask, kind_of


@dataclass(frozen=True, slots=True)
class Answered:
    """A card that was answered."""

    asked: Asked
    response: Response
    grade: Grade


@dataclass
class Quiz:
    """The cards of a quiz and what became of them.

    Attributes:
        cards: each question and its card, in the order asked.
        seed: what the cards, their numbers and the order of their options were drawn from.
    """

    cards: Sequence[tuple[Question, CardId]]
    seed: int
    answered: list[Answered] = field(default_factory=list)

    @classmethod
    def draw(cls, questions: Iterable[Question], kinds: Sequence[str], count: int, seed: int) -> "Quiz":
        """`count` cards of these kinds drawn from the questions, as many of each kind as there are; fewer where there are fewer.

        Raises:
            BankError: where the questions give no card of these kinds.
        """
        rng = Random(seed)
        piles = []
        questions = list(questions)
        for kind in kinds:
            pile = [(question, card) for question in questions for card in KINDS[kind].cards(question)]
            rng.shuffle(pile)
            piles.append(pile)
        chosen: list[tuple[Question, CardId]] = []
        while len(chosen) < count and any(piles):
            for pile in piles:
                if pile and len(chosen) < count:
                    chosen.append(pile.pop())
        if not chosen:
            raise BankError("there is nothing of these kinds to ask here", "leave out --topic or --kind")
        rng.shuffle(chosen)
        return cls(chosen, seed)

    @property
    def right(self) -> int:
        """How many answers were right."""
        return sum(bool(each.grade.right) for each in self.answered)

    @property
    def missed(self) -> list[Answered]:
        """The answers that were wrong."""
        return [each for each in self.answered if not each.grade.right]

    @property
    def left(self) -> int:
        """How many cards are still to be asked."""
        return len(self.cards) - len(self.answered)

    def skip(self) -> None:
        """Leave out the card that `next` gives: it cannot be asked."""
        place = len(self.answered)
        self.cards = [*self.cards[:place], *self.cards[place + 1 :]]

    def misses(self) -> "Quiz":
        """The cards that were answered wrong, to be asked again with other options and numbers."""
        return Quiz([(each.asked.question, each.asked.card) for each in self.missed], self.seed + 1)

    def next(self) -> Asked | None:
        """What the next card asks, a drill not yet made; None at the end."""
        if not self.left:
            return None
        question, card = self.cards[len(self.answered)]
        return ask(question, card, self.seed)

    def answer(self, asked: Asked, response: Response) -> Grade:
        """Grade an answer to the card that `next` gave, and go on.

        Raises:
            AnswerError: where it is no answer; the card stays.
        """
        grade = kind_of(asked.card).grade(asked, response)
        self.answered.append(Answered(asked, response, grade))
        return grade
