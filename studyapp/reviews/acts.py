"""What was done in one place, a sitting or a screen, and can be taken back there: never what was done elsewhere."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from studyapp.reviews.annotations import Annotation, valid_note
from studyapp.reviews.cards import CardState
from studyapp.reviews.log import Rating
from studyapp.reviews.store import Store


@dataclass(frozen=True, slots=True)
class Act:
    """Something done to a card, for one who undoes it to be told.

    Attributes:
        kind: one of ACTIONS or ANNOTATIONS.
        rating: of a review.
        became_leech: whether the card became a leech by it.
        uid: its event's; empty where nothing was written, as in practice.
    """

    kind: str
    card: str
    rating: Rating | None = None
    seconds: float = 0.0
    became_leech: bool = False
    uid: str = ""


class Acts:
    """The acts of one place, newest last."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.done: list[Act] = []
        self._undone: list[Act] = []

    def review(
        self, shown: CardState, rating: Rating, now: datetime, seconds: float, language: str, data: Mapping[str, Any]
    ) -> CardState:
        """Write an answer to a card as it was shown; the card after it.

        Raises:
            StaleCardError: where the card was changed since.
        """
        written = self._store.write(
            "review", shown.card, now, expect=shown, rating=rating, seconds=seconds, language=language, data=data
        )
        became = written.card.leech and not shown.leech
        self._add(Act("review", shown.card, Rating(rating), written.event.seconds, became, written.event.uid))
        return written.card

    def suspend(self, card: str, now: datetime) -> CardState:
        """Put a card away until it is unsuspended."""
        return self._do("suspend", card, now)

    def unsuspend(self, card: str, now: datetime) -> CardState:
        """Bring a suspended or buried card back."""
        return self._do("unsuspend", card, now)

    def bury(self, card: str, now: datetime) -> CardState:
        """Put a card away until the next study day."""
        return self._do("bury", card, now)

    def reset(self, card: str, now: datetime) -> CardState:
        """Make a card new again; its history stays in the log."""
        return self._do("reset", card, now)

    def annotate(self, card: str, now: datetime, *, starred: bool | None = None, note: str | None = None) -> Annotation:
        """Give a card a star or take it away, give it another note or, with "", none; what is said of it now.

        Nothing is written where it is so already.

        Raises:
            StoreError: where the note is too long.
        """
        before = self._store.annotation(card)
        if starred is not None and starred != before.starred:
            self._do("star" if starred else "unstar", card, now)
        if note is not None and valid_note(note) != before.note:
            self._do("note", card, now, {"text": note})
        return self._store.annotation(card)

    def undo(self, now: datetime) -> Act | None:
        """Take back the last act of this place that still stands; None where there is none."""
        while self.done:
            turned = self._store.reverse("undo", self.done[-1].uid, now)
            act = self.done.pop()  # not before it was written: a database that is locked takes it back the next time
            if turned:
                self._undone.append(act)
                return act
        return None

    def redo(self, now: datetime) -> Act | None:
        """Do again what was undone here last, unless something new was done here since."""
        while self._undone:
            turned = self._store.reverse("redo", self._undone[-1].uid, now)
            act = self._undone.pop()
            if turned:
                self.done.append(act)
                return act
        return None

    def _do(self, kind: str, card: str, now: datetime, data: Mapping[str, Any] | None = None) -> CardState:
        written = self._store.write(kind, card, now, data=data)
        self._add(Act(kind, card, uid=written.event.uid))
        return written.card

    def _add(self, act: Act) -> None:
        self.done.append(act)
        self._undone.clear()
