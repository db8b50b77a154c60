"""Numbers about one's own study: pure functions over cards and over what the store counts by study day."""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median

from studyapp.reviews.scheduler import CardState, Scheduler, study_day
from studyapp.settings import Settings

MATURE_DAYS = 21
GUESSED_SECONDS = 60.0
LONGEST_SECONDS = 600.0  # a card left open over lunch says nothing about the next


@dataclass(frozen=True, slots=True)
class Day:
    """The reviews of a study day that stand; `due` are those of cards in review, recalled is not Again."""

    reviews: int = 0
    recalled: int = 0
    due: int = 0
    due_recalled: int = 0


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


def streak(studied: Container[int], today: int) -> int:
    """How many study days in a row are among those `studied`, up to today, or to yesterday while today is not."""
    day = today if today in studied else today - 1
    length = 0
    while day - length in studied:
        length += 1
    return length


def retention(days: Mapping[int, Day], first: int | None = None, last: int | None = None) -> Retention:
    """How many reviews of cards in review were not Again, on study days `first` to `last`."""
    among = [
        counted
        for day, counted in days.items()
        if (first is None or day >= first) and (last is None or day <= last)
    ]
    return Retention(sum(day.due_recalled for day in among), sum(day.due for day in among))


def heatmap(days: Mapping[int, Day], count: int, today: int) -> list[int]:
    """How many reviews each of the last `count` study days had, today last."""
    return [days.get(today - back, Day()).reviews for back in range(count - 1, -1, -1)]


def minutes_estimate(seconds: Iterable[float], cards: int) -> float:
    """How many minutes so many cards will take, going by the median of the latest answers; a minute each at first."""
    took = [min(each, LONGEST_SECONDS) for each in seconds]
    return cards * (median(took) if took else GUESSED_SECONDS) / 60
