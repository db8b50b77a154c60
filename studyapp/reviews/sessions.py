"""One sitting: which card comes next, what is left today, what was done, and taking it back."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from studyapp.reviews.acts import Act
from studyapp.reviews.annotations import Annotation
from studyapp.reviews.cards import CardState
from studyapp.reviews.log import Rating


@dataclass(frozen=True, slots=True)
class Counts:
    """How many cards are left now, within the day's limits. All are nought just when `next` gives None."""

    new: int = 0
    learning: int = 0
    due: int = 0


@dataclass(frozen=True, slots=True)
class Summary:
    """What this sitting came to. `leeches` became so here: their demos are worth a look."""

    reviews: int = 0
    seconds: float = 0.0
    ratings: Mapping[Rating, int] = field(default_factory=dict)
    leeches: tuple[str, ...] = ()

    @classmethod
    def of(cls, acts: Iterable[Act]) -> "Summary":
        """What these acts come to."""
        reviews = [act for act in acts if act.rating is not None]
        ratings = Counter(act.rating for act in reviews)
        return cls(
            reviews=len(reviews),
            seconds=sum(act.seconds for act in reviews),
            ratings={rating: ratings[rating] for rating in Rating},
            leeches=tuple(dict.fromkeys(act.card for act in reviews if act.became_leech)),
        )


class Session(Protocol):
    """What a screen needs of a sitting, of whatever type."""

    def next(self, now: datetime) -> CardState | None:
        """The card to show; None at the end."""

    def counts(self, now: datetime) -> Counts:
        """What is left now."""

    def preview(self, card: CardState, now: datetime) -> Mapping[Rating, CardState]:
        """What each rating would make of the card; empty where ratings schedule nothing."""

    def answer(
        self,
        card: CardState,
        rating: int,
        now: datetime,
        *,
        seconds: float = 0.0,
        language: str = "en",
        data: Mapping[str, Any] | None = None,
    ) -> CardState:
        """Take the answer to a card as it was shown; the card as it is then.

        `data` is what belongs to the card's kind, such as the points ticked.

        Raises:
            StaleCardError: where the card was changed since it was shown.
        """

    def undo(self, now: datetime) -> Act | None:
        """Take back the last thing done in this sitting; what it was, None where nothing is left."""

    def redo(self, now: datetime) -> Act | None:
        """Do again what was undone last in this sitting; what it was, None where there is nothing."""

    def suspend(self, card: str, now: datetime) -> CardState:
        """Put the card away until it is unsuspended."""

    def bury(self, card: str, now: datetime) -> CardState:
        """Put the card away until the next study day."""

    def annotate(self, card: str, now: datetime, *, starred: bool | None = None, note: str | None = None) -> Annotation:
        """Give the card a star or take it away, or give it another note; what is said of it now."""

    def summary(self) -> Summary:
        """What was answered in this sitting and stands."""
