"""A kind of card: which cards a question gives, what each asks, and how an answer to it is graded.

A kind is a module here, a line in the registry and its name among those that the settings may schedule: scheduling, the log,
undo and the counts know cards by their ids alone, and what belongs to a kind, such as the seed of a drill or the choice made,
goes through the log as `data`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from studyapp.bank.model import Correction, Point, Question, Text
from studyapp.bank.refs import CardId
from studyapp.reviews.log import Rating

if TYPE_CHECKING:
    from studyapp.evidence.exercises import Drill


@dataclass(frozen=True, slots=True)
class Statement:
    """A sentence that is right or wrong.

    Attributes:
        source: the point it says, or the correction whose belief it is; both name what shows it.
    """

    text: Text
    source: Point | Correction

    @property
    def right(self) -> bool:
        """Whether it is so."""
        return isinstance(self.source, Point)


@dataclass(frozen=True, slots=True)
class Asked:
    """A card as it is put to the learner.

    Attributes:
        text: what is asked, in both languages.
        options: what can be chosen or ticked, in the order shown.
        seed: what its numbers or the order of its options were drawn from, kept with the answer.
        statements: what the options say, or the one sentence to be judged, of a kind that asks for right and wrong.
        answer: the place of the option to be chosen; None where a card asks for no choice.
        drill: the drill of a demo ("topic/demo.name") that makes the question, with `seed`, where torch is.
        number: what that drill made; None until it was made.
        exercise: the function to be written ("topic/demo.function"), of a kind that asks for one.
    """

    card: CardId
    question: Question
    text: Text
    options: tuple[Text, ...] = ()
    seed: int | None = None
    statements: tuple[Statement, ...] = ()
    answer: int | None = None
    drill: str = ""
    number: "Drill | None" = None
    exercise: str = ""

    @property
    def form(self) -> str:
        """How it is answered: "choose" an option, "type" a number, "code" a function, or "say" it to oneself."""
        if self.answer is not None:
            return "choose"
        return "type" if self.drill else "code" if self.exercise else "say"

    def made(self, number: "Drill") -> "Asked":
        """The same card with the question that its drill made."""
        return replace(self, text=Text(number.en, number.zh), number=number)


@dataclass(frozen=True, slots=True)
class Response:
    """What the learner did.

    Attributes:
        ticked: the options ticked or chosen, by place.
        typed: the number or the outline that was typed.
        seconds: how long it took.
        hinted: whether a hint was taken.
        peeked: whether the demo's own function was looked at before.
        held: of a function that was written, whether every claim held with it; None where nothing was judged.
    """

    ticked: tuple[int, ...] = ()
    typed: str = ""
    seconds: float = 0.0
    hinted: bool = False
    peeked: bool = False
    held: bool | None = None


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
        """What an answer to it speaks for.

        Raises:
            AnswerError: where what was typed or chosen is no answer, which is not a wrong one.
        """


def rate(right: bool, response: Response, quick: float, late: float) -> Rating:
    """The rating of an answer that is right or wrong: Easy in under `quick` seconds, Hard with a hint or after `late`."""
    if not right:
        return Rating.AGAIN
    if response.hinted or response.seconds > late:
        return Rating.HARD
    return Rating.EASY if 0 < response.seconds < quick else Rating.GOOD
