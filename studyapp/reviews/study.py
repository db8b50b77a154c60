"""A sitting whose answers are scheduled.

The queues are kept in memory and brought up to date from the newest events before every look, so the answers of
another process count here too and no answer ever reads all the cards.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Mapping, Sequence
from datetime import datetime
from secrets import token_hex
from typing import Any

from studyapp.errors import StoreError
from studyapp.reviews.acts import Act, Acts
from studyapp.reviews.annotations import Annotation
from studyapp.reviews.cards import CardState, study_day, to_text
from studyapp.reviews.log import REVERSALS, Rating, valid_rating
from studyapp.reviews.sessions import Counts, Summary
from studyapp.reviews.siblings import Queued, chosen, families
from studyapp.reviews.store import Store

Slot = tuple[list[Any], Any]
"""The queue that a card stands in, and its key there."""


class StudySession:
    """Study of the cards in `order`: new ones come in it, and of those due on one day the first in it.

    Of the cards of one question a day asks one, see `siblings`. Where more is due than the day's limit, as after a break, the least
    lost come first: what is nearly forgotten waits without losing much more, what is still known is kept by a short look.
    """

    def __init__(self, store: Store, order: Sequence[str], now: datetime) -> None:
        self._store = store
        self._order = list(dict.fromkeys(order))
        self._place = {card: place for place, card in enumerate(self._order)}
        self._families = families(self._order)
        self._acts = Acts(store)
        self._last: str | None = None
        self._sitting = token_hex(4)
        self._written: tuple[str, CardState | None] = ("", None)  # the last answer's event, and its card
        self._load(study_day(now, store.settings))

    # ------------------------------------------------------------------ what is left

    def next(self, now: datetime) -> CardState | None:
        """The card to show: learning cards whose time has come, then reviews, then new ones, then learning ahead."""
        self._sync(now)
        place = self._next_place(now)
        return None if place is None else self._store.card(self._order[place])

    def counts(self, now: datetime) -> Counts:
        """What is left now."""
        self._sync(now)
        return Counts(self._new_left(), self._ahead(now), self._due_left())

    def left(self, now: datetime) -> list[str]:
        """The cards that are left now, within the day's limits: as many as `counts` says."""
        self._sync(now)
        learning = [place for _, place in self._learning[: self._ahead(now)]]
        due = [place for _, place in (self._lost if self._backlog() else self._due)[: self._due_left()]]
        return [self._order[place] for place in (*learning, *due, *self._new[: self._new_left()])]

    def waiting(self, now: datetime) -> datetime | None:
        """When the first learning card comes that is not counted yet; None where none is waiting."""
        self._sync(now)
        later = self._learning[self._ahead(now) :]
        return datetime.fromisoformat(later[0][0]) if later else None

    def preview(self, card: CardState, now: datetime) -> Mapping[Rating, CardState]:
        """What each rating would make of the card: just what `answer` at that moment makes of it."""
        return self._store.scheduler.preview(card, now)

    def summary(self) -> Summary:
        """What was answered in this sitting and stands."""
        return Summary.of(self._acts.done)

    # ------------------------------------------------------------------ what is done

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
        """Write the answer, committed on return; the card as it is now.

        Raises:
            StaleCardError: where the card was changed since it was shown.
        """
        rated = Rating(valid_rating(rating))
        if card.suspended:
            raise StoreError("{card}: is suspended", "Unsuspend it first. Nothing was written.", card=card.card)
        self._last = card.card
        after = self._acts.review(card, rated, now, seconds, language, {**(data or {}), "sitting": self._sitting})
        self._written = self._acts.done[-1].uid, after
        return after

    def undo(self, now: datetime) -> Act | None:
        """Take back the last thing done in this sitting that still stands."""
        act = self._acts.undo(now)
        self._last = None if act else self._last
        return act

    def redo(self, now: datetime) -> Act | None:
        """Do again what was undone last in this sitting, unless something new was done in it since."""
        return self._acts.redo(now)

    def suspend(self, card: str, now: datetime) -> CardState:
        """Put the card away until it is unsuspended."""
        return self._acts.suspend(card, now)

    def bury(self, card: str, now: datetime) -> CardState:
        """Put the card away until the next study day."""
        return self._acts.bury(card, now)

    def annotate(self, card: str, now: datetime, *, starred: bool | None = None, note: str | None = None) -> Annotation:
        """Give the card a star or take it away, or give it another note; what is said of it now."""
        return self._acts.annotate(card, now, starred=starred, note=note)

    # ------------------------------------------------------------------ the queues

    def _load(self, day: int) -> None:
        """Sort every card into its queue. Once a sitting, and again when a study day turns."""
        self._day = day
        self._new: list[int] = []
        self._learning: list[tuple[str, int]] = []
        self._due: list[tuple[int, int]] = []
        self._lost: list[tuple[float, int]] = []  # of those due by now, the least lost first
        self._lost_of: dict[int, float] = {}
        self._slots: dict[str, Slot | None] = {}
        self._rows: dict[str, Queued] = {}  # of cards that have siblings
        rows: dict[str, Queued] = {}
        with self._store.snapshot():
            self._seq = self._store.last_seq()
            rows = {row.card: row for row in self._store.queued(day) if row.card in self._place}
            self._done = self._store.done_on(day)
        self._rows = {card: row for card, row in rows.items() if card in self._families}
        for card in self._order:
            self._slots[card] = slot = self._slot(card, rows.get(card))
            if slot is not None:
                slot[0].append(slot[1])
                if slot[0] is self._due and slot[1][0] <= day:
                    self._lost_of[self._place[card]] = rows[card].lost(day)
        self._new.sort()
        self._learning.sort()
        self._due.sort()
        self._lost = sorted((lost, place) for place, lost in self._lost_of.items())

    def _slot(self, card: str, row: Queued | None) -> Slot | None:
        """Where a card stands; None where it is hidden, or waits for a sibling."""
        place = self._place[card]
        if row is not None and row.hidden:
            return None
        if row is not None and row.due_at is not None:
            return self._learning, (row.due_at, place)
        if (family := self._families.get(card)) and chosen(family, self._rows, self._day) != card:
            return None
        if row is not None and row.due_day is not None:
            return self._due, (row.due_day, place)
        return self._new, place

    def _sync(self, now: datetime) -> None:
        """Take in what was written since, by this process or another, and the turn of the day."""
        day = study_day(now, self._store.settings)
        if day != self._day:
            self._load(day)
            return
        touched: dict[str, CardState | None] = {}
        recount = False
        for change in self._store.since(self._seq):
            self._seq = change.seq
            uid, after = self._written
            touched[change.card] = after if change.uid == uid else None
            recount |= change.kind in REVERSALS
            if change.kind == "review" and change.day == day:
                self._done = self._done.plus(change.was)
        for card, known in touched.items():
            if card in self._place:
                self._move(card, known or self._store.card(card))
        if recount:
            self._done = self._store.done_on(day)

    def _move(self, card: str, state: CardState) -> None:
        """Put a card where it stands now, and its siblings."""
        due_at = to_text(state.due_at) if state.due_at is not None else None
        hidden = state.hidden(self._day)
        row = Queued(card, state.state, due_at, state.due_day, state.last_day, hidden, state.stability)
        family = self._families.get(card)
        if family is None:
            self._put(card, row)
            return
        self._rows[card] = row
        for sibling in family:
            self._put(sibling, self._rows.get(sibling))

    def _put(self, card: str, row: Queued | None) -> None:
        if (slot := self._slots[card]) is not None:
            queue, key = slot
            del queue[bisect_left(queue, key)]
        place = self._place[card]
        if (lost := self._lost_of.pop(place, None)) is not None:
            del self._lost[bisect_left(self._lost, (lost, place))]
        self._slots[card] = slot = self._slot(card, row)
        if slot is not None:
            insort(*slot)
            if slot[0] is self._due and slot[1][0] <= self._day and row is not None:
                self._lost_of[place] = lost = row.lost(self._day)
                insort(self._lost, (lost, place))

    def _next_place(self, now: datetime) -> int | None:
        if self._learning and self._learning[0][0] <= to_text(now):
            return self._learning[0][1]
        if self._due_left():
            return self._lost[0][1] if self._backlog() else self._due[0][1]
        if self._new_left():
            return self._new[0]
        ahead = [place for _, place in self._learning[: self._ahead(now)]]
        others = (place for place in ahead if self._order[place] != self._last)  # not the card just answered, if possible
        return next(others, ahead[0] if ahead else None)

    def _new_left(self) -> int:
        return max(0, min(len(self._new), self._store.settings.new_per_day - self._done.new))

    def _due_left(self) -> int:
        return max(0, min(self._due_now(), self._store.settings.reviews_per_day - self._done.due))

    def _due_now(self) -> int:
        return bisect_right(self._due, (self._day, len(self._order)))

    def _backlog(self) -> bool:
        """Whether more is due than may be asked today."""
        return self._due_now() > self._due_left()

    def _ahead(self, now: datetime) -> int:
        """How many learning cards have come or may come ahead of their time."""
        until = to_text(now + self._store.settings.learn_ahead)
        return bisect_right(self._learning, (until, len(self._order)))


class PlannedSession(StudySession):
    """Study of the cards that a plan asks on a day, whether they are due or not, in its order; the day's limits are the plan's.

    Cards in (re)learning come in between, those of `order` too. What the plan asks and was answered today is done.
    """

    def __init__(self, store: Store, planned: Sequence[str], order: Sequence[str], now: datetime, day: int) -> None:
        self._planned, self._planned_for = frozenset(planned), day
        super().__init__(store, [*planned, *order], now)

    def _slot(self, card: str, row: Queued | None) -> Slot | None:
        if row is not None and (row.hidden or row.due_at is not None):
            return super()._slot(card, row)
        if card not in self._planned or self._day != self._planned_for:
            return None
        if row is None or row.due_day is None:
            return self._new, self._place[card]
        return None if row.last_day == self._day else (self._due, (self._day, self._place[card]))

    def _new_left(self) -> int:
        return len(self._new)

    def _due_left(self) -> int:
        return len(self._due)
