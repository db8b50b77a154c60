"""The kinds of cards there are. A new one is a module of this folder and a line here."""

from collections.abc import Container
from zlib import crc32

from studyapp.bank.model import Question
from studyapp.bank.refs import RECALL, CardId
from studyapp.errors import BankError
from studyapp.quiz.choice import Choice
from studyapp.quiz.drill import Drill
from studyapp.quiz.kinds import Asked, CardKind
from studyapp.quiz.recall import Recall
from studyapp.quiz.write import Write
from studyapp.reviews.cards import CardState

KINDS: dict[str, CardKind] = {kind.name: kind for kind in (Recall(), Choice(), Drill(), Write())}
"""In the order in which a question is asked in them: recall first, and of every question."""
QUIZZED = ("choice", "drill")
"""Those that a quiz asks, which schedules nothing."""


def cards_of(question: Question, beside: Container[str] = KINDS) -> list[CardId]:
    """All cards that a question gives: of recall, and of the kinds `beside` it that are wished for."""
    return [card for name, kind in KINDS.items() if name == RECALL or name in beside for card in kind.cards(question)]


def kind_of(card: CardId) -> CardKind:
    """The kind of a card.

    Raises:
        BankError: where this version has none of that name, as for a card of a newer one's log.
    """
    if card.kind not in KINDS:
        raise BankError(
            "{card}: there is no kind of card called {kind!r}",
            "kinds: {names}",
            card=card, kind=card.kind, names=", ".join(KINDS),
        )
    return KINDS[card.kind]


def ask(question: Question, card: CardId, seed: int) -> Asked:
    """What a card of a question asks."""
    return kind_of(card).ask(question, card, seed)


def seed_of(state: CardState) -> int:
    """A seed for what a card asks now: the same however often it is shown, another after each review."""
    return crc32(f"{state.card}\n{state.reps}".encode())
