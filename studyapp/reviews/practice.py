"""A sitting whose answers schedule nothing: once through the cards, those failed again, until all were recalled."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from studyapp.errors import StaleCardError
from studyapp.reviews.acts import Act, Acts
from studyapp.reviews.annotations import Annotation
from studyapp.reviews.cards import CardState, study_day
from studyapp.reviews.log import Rating, valid_rating
from studyapp.reviews.sessions import Counts, Summary
from studyapp.reviews.store import Store

Queue = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Step:
    """An act, and the queue before and after it."""

    act: Act
    before: Queue
    after: Queue


class PracticeSession:
    """Practice of the cards in `order`, without those suspended or buried. Only putting a card away, a star and a note are written."""

    def __init__(self, store: Store, order: Sequence[str], now: datetime) -> None:
        self._store = store
        self._acts = Acts(store)
        hidden = store.hidden(study_day(now, store.settings))
        self._queue: Queue = tuple(card for card in dict.fromkeys(order) if card not in hidden)
        self._steps: list[_Step] = []
        self._undone: list[_Step] = []

    def next(self, now: datetime) -> CardState | None:
        """The first card left."""
        return self._store.card(self._queue[0]) if self._queue else None

    def counts(self, now: datetime) -> Counts:
        """What is left now."""
        return Counts(due=len(self._queue))

    def preview(self, card: CardState, now: datetime) -> Mapping[Rating, CardState]:
        """Nothing: no rating changes the card."""
        return {}

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
        """Go on to the next card; one failed comes again at the end."""
        rated = Rating(valid_rating(rating))
        if not self._queue or self._queue[0] != card.card:
            raise StaleCardError("{card}: is not the card that was shown", "Nothing was written.", card=card.card)
        again = (card.card,) if rated == Rating.AGAIN else ()
        self._step(Act("review", card.card, rated, seconds), self._queue[1:] + again)
        return card

    def undo(self, now: datetime) -> Act | None:
        """Put the last card back, or bring back what was put away."""
        while self._steps:
            step = self._steps[-1]
            turned = step.act.rating is not None or self._store.reverse("undo", step.act.uid, now)
            self._steps.pop()  # not before it was written: a database that is locked takes it back the next time
            self._queue = step.before
            if turned:
                self._undone.append(step)
                return step.act
        return None

    def redo(self, now: datetime) -> Act | None:
        """Do again what was undone last."""
        while self._undone:
            step = self._undone[-1]
            turned = step.act.rating is not None or self._store.reverse("redo", step.act.uid, now)
            self._undone.pop()
            self._queue = step.after
            if turned:
                self._steps.append(step)
                return step.act
        return None

    def suspend(self, card: str, now: datetime) -> CardState:
        """Put the card away until it is unsuspended."""
        state = self._acts.suspend(card, now)
        self._put_away(card)
        return state

    def bury(self, card: str, now: datetime) -> CardState:
        """Put the card away until the next study day."""
        state = self._acts.bury(card, now)
        self._put_away(card)
        return state

    def annotate(self, card: str, now: datetime, *, starred: bool | None = None, note: str | None = None) -> Annotation:
        """Give the card a star or take it away, or give it another note; what is said of it now."""
        known = len(self._acts.done)
        annotation = self._acts.annotate(card, now, starred=starred, note=note)
        for act in self._acts.done[known:]:
            self._step(act, self._queue)
        return annotation

    def summary(self) -> Summary:
        """What was answered in this sitting and stands."""
        return Summary.of(step.act for step in self._steps)

    def _put_away(self, card: str) -> None:
        self._step(self._acts.done[-1], tuple(each for each in self._queue if each != card))

    def _step(self, act: Act, after: Queue) -> None:
        self._steps.append(_Step(act, self._queue, after))
        self._undone.clear()
        self._queue = after
