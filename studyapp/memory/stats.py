"""Numbers about one's own study: pure functions over events and cards. Undone events do not count."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median

from studyapp.memory.schedule import CardState, Event, Scheduler, effective, study_day
from studyapp.settings import Settings

MATURE_DAYS = 21
GUESSED_SECONDS = 60.0
LONGEST_SECONDS = 600.0  # a card left open over lunch says nothing about the next


@dataclass(frozen=True, slots=True)
class TopicCount:
    """Where one topic's cards stand. `recall`: the mean chance of recall today of those reviewed."""

    total: int = 0
    new: int = 0
    learning: int = 0
    young: int = 0
    mature: int = 0
    suspended: int = 0
    leeches: int = 0
    due: int = 0
    recall: float | None = None


@dataclass(frozen=True, slots=True)
class Retention:
    """How many of the cards that came due were recalled: the true figure beside the desired one."""

    recalled: int
    reviews: int

    @property
    def share(self) -> float | None:
        """Recalled of reviewed; None without reviews."""
        return self.recalled / self.reviews if self.reviews else None


def topic_counts(
    topics: Mapping[str, Iterable[str]], cards: Mapping[str, CardState], scheduler: Scheduler, now: datetime
) -> dict[str, TopicCount]:
    """For each topic, given with its card ids, how its cards stand; a card without events is new."""
    day = study_day(now, scheduler.settings)
    return {
        topic: _topic([cards.get(card) or CardState(card) for card in ids], scheduler, day, now)
        for topic, ids in topics.items()
    }


def _topic(states: Sequence[CardState], scheduler: Scheduler, day: int, now: datetime) -> TopicCount:
    active = [state for state in states if not state.suspended]
    review = [state for state in active if state.due_day is not None]
    mature = sum((state.due_day or 0) - (state.last_day or 0) >= MATURE_DAYS for state in review)
    chances = [scheduler.retrievability(state, day) for state in active]
    known = [chance for chance in chances if chance is not None]
    return TopicCount(
        total=len(states),
        new=sum(state.state == "new" for state in active),
        learning=sum(state.state in ("learning", "relearning") for state in active),
        young=len(review) - mature,
        mature=mature,
        suspended=len(states) - len(active),
        leeches=sum(state.leech for state in states),
        due=sum(is_due(state, day, now) for state in active),
        recall=sum(known) / len(known) if known else None,
    )


def is_due(state: CardState, day: int, now: datetime) -> bool:
    """Whether a card that is not new has come: its day, or its minute while learning. Not if buried or suspended."""
    if state.suspended or (state.buried_day is not None and state.buried_day >= day):
        return False
    return (state.due_day is not None and state.due_day <= day) or (state.due_at is not None and state.due_at <= now)


def forecast(
    cards: Iterable[CardState] | Mapping[str, CardState], now: datetime, days: int, settings: Settings | None = None
) -> list[int]:
    """How many cards come due today and on each day after, `days` in all; overdue and learning ones count today."""
    day = study_day(now, settings or Settings())
    states = cards.values() if isinstance(cards, Mapping) else cards
    coming = [0] * days
    for state in states:
        if state.suspended or state.state == "new":
            continue
        first = day if state.due_day is None else max(state.due_day, day)
        if state.buried_day is not None and state.buried_day >= day:
            first = max(first, state.buried_day + 1)
        if first - day < days:
            coming[first - day] += 1
    return coming


def streak(events: Iterable[Event], today: int) -> int:
    """How many study days in a row have a review, up to today, or to yesterday while today has none yet."""
    days = {event.day for event in reviews(events)}
    day = today if today in days else today - 1
    length = 0
    while day - length in days:
        length += 1
    return length


def longest_streak(events: Iterable[Event]) -> int:
    """The longest run of study days with a review."""
    longest = length = 0
    before: int | None = None
    for day in sorted({event.day for event in reviews(events)}):
        length = length + 1 if before is not None and day == before + 1 else 1
        longest, before = max(longest, length), day
    return longest


def retention(
    events: Iterable[Event],
    first: int | None = None,
    last: int | None = None,
    cards: Callable[[str], bool] | None = None,
) -> Retention:
    """How many reviews of cards in review were not Again, on study days `first` to `last`, each card once a day."""
    seen: set[tuple[str, int]] = set()
    recalled = 0
    for event in reviews(events):
        outside = (first is not None and event.day < first) or (last is not None and event.day > last)
        if event.was != "review" or outside or (cards is not None and not cards(event.card)):
            continue
        if (event.card, event.day) not in seen:
            seen.add((event.card, event.day))
            recalled += (event.rating or 0) > 1
    return Retention(recalled, len(seen))


def heatmap(events: Iterable[Event], days: int, today: int | None = None) -> list[int]:
    """How many reviews each of the last `days` study days had, today (or else the last day with a review) last."""
    counted = Counter(event.day for event in reviews(events))
    today = max(counted, default=0) if today is None else today
    return [counted[today - back] for back in range(days - 1, -1, -1)]


def minutes_estimate(events: Iterable[Event], cards: int, last: int = 200) -> float:
    """How many minutes so many cards will take, going by the median of the latest answers; a minute each at first."""
    seconds = [min(event.seconds, LONGEST_SECONDS) for event in reviews(events) if event.seconds > 0][-last:]
    return cards * (median(seconds) if seconds else GUESSED_SECONDS) / 60


def ratings(events: Iterable[Event]) -> dict[int, int]:
    """How often each rating was given."""
    counted = Counter(event.rating for event in reviews(events))
    return {rating: counted[rating] for rating in (1, 2, 3, 4)}


def forgotten_points(events: Iterable[Event], totals: Mapping[str, int]) -> dict[str, list[int]]:
    """For each card with `totals` points, how often each point was not ticked when the ticks were used."""
    missed: dict[str, list[int]] = {}
    for event in reviews(events):
        if event.suggested is None or event.card not in totals:
            continue
        row = missed.setdefault(event.card, [0] * totals[event.card])
        for point in range(totals[event.card]):
            row[point] += point not in event.ticked
    return missed


def reviews(events: Iterable[Event]) -> list[Event]:
    """The reviews that stand."""
    return [event for event in effective(events) if event.kind == "review"]
