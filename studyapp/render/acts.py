"""What was done to a card, in words, for one who undoes it."""

from typing import Protocol

from studyapp.bank.refs import RECALL, CardId
from studyapp.i18n import Translations

RATINGS = {1: "study.again", 2: "study.hard", 3: "study.good", 4: "study.easy"}


class Done(Protocol):
    """An act of a sitting, or an event of the log."""

    @property
    def kind(self) -> str: ...
    @property
    def card(self) -> str: ...
    @property
    def rating(self) -> int | None: ...


def describe(t: Translations, act: Done) -> str:
    """«Good on softmax-overflow», «softmax-overflow suspended»."""
    card = CardId.try_parse(act.card)
    named = card.question if card is not None and card.kind == RECALL else act.card
    return t(f"act.{act.kind}", card=named, rating=t(RATINGS[act.rating]) if act.rating else "")
