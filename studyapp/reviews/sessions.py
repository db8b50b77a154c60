"""One sitting: which card comes next, what is left today, and what was done.

The queues are kept in memory and brought up to date from the newest events before every look, so the answers of
another process count here too and no answer ever reads all the cards.
"""

from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from studyapp.errors import StoreError
from studyapp.reviews.scheduler import CardState, LogEvent, Rating, Scheduler, study_day
from studyapp.reviews.store import Store
from studyapp.settings import Settings


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
    ratings: dict[Rating, int] = field(default_factory=dict)
    leeches: tuple[str, ...] = ()


def suggest(ticked: int, total: int) -> Rating:
    """The rating the ticked points speak for: all Good, two thirds Hard, fewer Again. Easy is the learner's own."""
    if total <= 0 or ticked >= total:
        return Rating.GOOD
    return Rating.HARD if 3 * ticked >= 2 * total else Rating.AGAIN


class Session:
    """Study of the cards in `order`, those that `filter` admits. In practice nothing is written or scheduled.

    `cards` is what the store's `cards()` gave just now, where the caller has read them already.
    """

    def __init__(
        self,
        store: Store,
        scheduler: Scheduler,
        settings: Settings,
        order: Sequence[str],
        now: datetime,
        filter: Callable[[str], bool] | None = None,
        practice: bool = False,
        cards: Mapping[str, CardState] | None = None,
    ) -> None:
        self._store, self._scheduler, self._settings = store, scheduler, settings
        self.practice = practice
        self._order = [card for card in dict.fromkeys(order) if filter is None or filter(card)]
        self._place = {card: place for place, card in enumerate(self._order)}
        self._answers: list[tuple[int, str, Rating, float, bool]] = []  # seq, card, rating, seconds, became a leech
        self._taken: list[tuple[int, str, Rating, float, bool]] = []
        self._last: str | None = None
        self._load(now, cards)
        self._practice = deque(card for card in self._order if not self._cards[card].suspended) if practice else deque()
        self._practised: list[tuple[str, bool]] = []

    # ------------------------------------------------------------------ what is left

    def next(self, now: datetime) -> CardState | None:
        """The card to show: learning cards whose time has come, then reviews, then new ones, then learning ahead."""
        self._sync(now)
        if self.practice:
            return self._cards[self._practice[0]] if self._practice else None
        if self._learning and self._learning[0][0] <= now:
            return self._cards[self._order[self._learning[0][1]]]
        if self._due_left():
            return self._cards[self._order[self._due[0][1]]]
        if self._new_left():
            return self._cards[self._order[self._new[0]]]
        ahead = self._learning[: self._ahead(now)]
        for _, place in ahead:  # not the card just answered, where there is another
            if self._order[place] != self._last:
                return self._cards[self._order[place]]
        return self._cards[self._order[ahead[0][1]]] if ahead else None

    def counts(self, now: datetime) -> Counts:
        """What is left now."""
        self._sync(now)
        if self.practice:
            return Counts(due=len(self._practice))
        return Counts(self._new_left(), self._ahead(now), self._due_left())

    def waiting(self, now: datetime) -> datetime | None:
        """When the first learning card comes that is not counted yet; None where none is waiting."""
        self._sync(now)
        later = self._learning[self._ahead(now) :]
        return later[0][0] if later else None

    def preview(self, card: CardState | str, now: datetime) -> dict[Rating, CardState]:
        """What each rating would make of the card."""
        return self._scheduler.preview(self._known(card), now)

    def summary(self) -> Summary:
        """What was answered in this sitting and stands."""
        ratings = {rating: sum(each[2] == rating for each in self._answers) for rating in Rating}
        leeches = tuple(dict.fromkeys(each[1] for each in self._answers if each[4]))
        return Summary(len(self._answers), sum(each[3] for each in self._answers), ratings, leeches)

    # ------------------------------------------------------------------ what is done

    def answer(
        self,
        card: CardState | str,
        rating: int,
        now: datetime,
        ticked: Sequence[int] = (),
        suggested: int | None = None,
        seconds: float = 0.0,
        language: str = "en",
    ) -> CardState:
        """Write the answer, committed on return; the card as it is now. An answer to a stale card is refused."""
        before = self._known(card)
        if isinstance(rating, bool) or rating not in tuple(Rating):
            raise StoreError(f"{rating!r} is not a rating", "1 again, 2 hard, 3 good, 4 easy. Nothing was written.")
        self._last = before.card
        if self.practice:
            if not self._practice or self._practice[0] != before.card:
                raise StoreError(f"{before.card}: is not the card that was shown", "Nothing was written.")
            again = rating == Rating.AGAIN
            self._practice.popleft()
            if again:
                self._practice.append(before.card)
            self._practised.append((before.card, again))
            self._answers.append((0, before.card, Rating(rating), seconds, False))
            return before
        if before.suspended:
            raise StoreError(f"{before.card}: is suspended", "Unsuspend it first. Nothing was written.")
        said: dict[str, Any] = {"ticked": tuple(ticked), "suggested": suggested, "seconds": seconds}
        try:
            event = self._store.append(
                "review", before.card, now, expect=before.seq, rating=rating, language=language, **said
            )
        finally:
            self._sync(now)
        after = self._cards[before.card]
        self._answers.append((event.seq, before.card, Rating(rating), seconds, after.leech and not before.leech))
        return after

    def undo(self, now: datetime) -> LogEvent | None:
        """Take back the last thing done; the event taken back. In practice, put the last card back."""
        if self.practice:
            if self._practised:
                card, again = self._practised.pop()
                if again:
                    self._practice.pop()
                self._practice.appendleft(card)
                self._answers.pop()
            return None
        event = self._store.undo(now)
        self._sync(now)
        if event is not None:
            self._taken = [each for each in self._answers if each[0] == event.seq] + self._taken
            self._answers = [each for each in self._answers if each[0] != event.seq]
            self._last = None
        return event

    def redo(self, now: datetime) -> LogEvent | None:
        """Do again what was undone last; the event done again."""
        if self.practice:
            return None
        event = self._store.redo(now)
        self._sync(now)
        if event is not None:
            self._answers += [each for each in self._taken if each[0] == event.seq]
            self._taken = [each for each in self._taken if each[0] != event.seq]
        return event

    def suspend(self, card: CardState | str, now: datetime) -> CardState:
        """Put the card away until it is unsuspended."""
        return self._act("suspend", card, now)

    def unsuspend(self, card: CardState | str, now: datetime) -> CardState:
        """Bring a suspended or buried card back."""
        return self._act("unsuspend", card, now)

    def bury(self, card: CardState | str, now: datetime) -> CardState:
        """Put the card away until the next study day."""
        return self._act("bury", card, now)

    def reset(self, card: CardState | str, now: datetime) -> CardState:
        """Make the card new again; its history stays in the log."""
        return self._act("reset", card, now)

    def _act(self, kind: str, card: CardState | str, now: datetime) -> CardState:
        before = self._known(card)
        self._store.append(kind, before.card, now)
        self._sync(now)
        if kind in ("suspend", "bury") and before.card in self._practice:
            self._practice = deque(each for each in self._practice if each != before.card)
        return self._cards.get(before.card) or self._store.card(before.card)

    # ------------------------------------------------------------------ the queues

    def _known(self, card: CardState | str) -> CardState:
        if isinstance(card, CardState):
            return card
        return self._cards.get(card) or self._store.card(card)

    def _load(self, now: datetime, cards: Mapping[str, CardState] | None) -> None:
        self._seq = self._store.last_seq() if cards is None else max((c.seq for c in cards.values()), default=0)
        known = self._store.cards() if cards is None else cards
        self._cards = {card: known.get(card) or CardState(card) for card in self._order}
        self._begin_day(study_day(now, self._settings))

    def _begin_day(self, day: int) -> None:
        """Sort every card into its queue. Once a sitting, and again when a study day turns."""
        self._day = day
        self._new: list[int] = []
        self._learning: list[tuple[datetime, int]] = []
        self._due: list[tuple[int, int]] = []
        for card, place in self._place.items():
            queue, key = self._queue_of(self._cards[card], place)
            if queue is not None:
                queue.append(key)
        self._learning.sort()
        self._due.sort()
        self._count_done()

    def _queue_of(self, state: CardState, place: int) -> tuple[list[Any] | None, Any]:
        """The queue that a card stands in today and its key there."""
        if state.suspended or (state.buried_day is not None and state.buried_day >= self._day):
            return None, None
        if state.state == "new":
            return self._new, place
        if state.due_day is not None:
            return self._due, (state.due_day, place)
        return self._learning, (state.due_at, place)

    def _sync(self, now: datetime) -> None:
        """Take in what was written since, by this process or another, and the turn of the day."""
        recount = False
        touched: dict[str, None] = {}
        for seq, kind, card, day, was in self._store.since(self._seq):
            self._seq = seq
            touched[card] = None
            if kind in ("undo", "redo"):
                recount = True
            elif kind == "review" and day == self._day:
                self._new_done += was == "new"
                self._due_done += was == "review"
        for card in touched:
            place = self._place.get(card)
            if place is None:
                continue
            queue, key = self._queue_of(self._cards[card], place)
            if queue is not None:
                del queue[bisect_left(queue, key)]
            self._cards[card] = self._store.card(card)
            queue, key = self._queue_of(self._cards[card], place)
            if queue is not None:
                insort(queue, key)
        day = study_day(now, self._settings)
        if day != self._day:
            self._begin_day(day)
        elif recount:
            self._count_done()

    def _count_done(self) -> None:
        done = self._store.reviews_of(self._day)
        self._new_done = sum(was == "new" for _, was in done)
        self._due_done = sum(was == "review" for _, was in done)

    def _new_left(self) -> int:
        return max(0, min(len(self._new), self._settings.new_per_day - self._new_done))

    def _due_left(self) -> int:
        due = bisect_right(self._due, (self._day, len(self._order)))
        return max(0, min(due, self._settings.reviews_per_day - self._due_done))

    def _ahead(self, now: datetime) -> int:
        """How many learning cards have come or may come ahead of their time."""
        return bisect_right(self._learning, (now + self._settings.learn_ahead, len(self._order)))


__all__ = ["Counts", "Session", "Summary", "study_day", "suggest"]
