"""A kind of card: which cards a question gives, what each asks, and how an answer to it is graded.

A kind is added here and nowhere else: scheduling, the log, undo and the counts know cards by their ids alone, and what
belongs to a kind, such as the seed of a drill or the choice made, goes through the log as `data`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from studyapp.bank.model import Question, Text
from studyapp.bank.refs import CardId
from studyapp.reviews.log import Rating


@dataclass(frozen=True, slots=True)
class Asked:
    """A card as it is put to the learner.

    Attributes:
        text: what is asked, in both languages.
        options: what can be chosen or ticked, in the order shown.
        seed: what its numbers or the order of its options were drawn from, kept with the answer.
    """

    card: CardId
    question: Question
    text: Text
    options: tuple[Text, ...] = ()
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Response:
    """What the learner did: the options ticked or chosen, by place, and what was typed."""

    ticked: tuple[int, ...] = ()
    typed: str = ""


@dataclass(frozen=True, slots=True)
class Grade:
    """What an answer speaks for. The rating is the learner's own; `data` is kept with it in the log.

    Attributes:
        right: whether it was right, where there is a right and a wrong.
    """

    suggested: Rating
    data: Mapping[str, Any] = field(default_factory=dict)
    right: bool | None = None

    def kept(self) -> dict[str, Any]:
        """What goes into the event: `data`, and the rating that was suggested."""
        return {**self.data, "suggested": int(self.suggested)}


class CardKind(Protocol):
    """One way of asking."""

    @property
    def name(self) -> str:
        """Its name in card ids, after the «#»: for good, for the log holds it."""

    def cards(self, question: Question) -> Sequence[CardId]:
        """The cards of this kind that a question gives, none where it does not lend itself to it."""

    def ask(self, question: Question, card: CardId, seed: int) -> Asked:
        """What one of its cards asks. The same seed asks the same; a kind that draws nothing leaves it unused."""

    def grade(self, asked: Asked, response: Response) -> Grade:
        """What an answer to it speaks for."""
