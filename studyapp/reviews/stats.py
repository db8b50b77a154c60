"""Numbers about one's own study: pure functions over what the store counts by study day."""

from collections import deque
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from statistics import median

from studyapp.reviews.cards import EPOCH_ORDINAL

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
class Retention:
    """How many of the cards that came due were recalled: the true figure beside the desired one."""

    recalled: int
    reviews: int

    @property
    def share(self) -> float | None:
        """Recalled of reviewed; None without reviews."""
        return self.recalled / self.reviews if self.reviews else None


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


def date_of(day: int) -> date:
    """The date of a study day, which until the rollover hour is the day before the calendar's."""
    return date.fromordinal(day + EPOCH_ORDINAL)


def day_of(on: date) -> int:
    """The study day that has a date."""
    return on.toordinal() - EPOCH_ORDINAL


@dataclass(frozen=True, slots=True)
class MissedPoint:
    """A point of a card that was left unticked at `missed` of the last `reviews` reviews with ticks."""

    card: str
    point: int
    missed: int
    reviews: int


def missed_points(
    ticks: Iterable[tuple[str, Sequence[int]]], points: Mapping[str, int], least: int = 2, latest: int = 5
) -> list[MissedPoint]:
    """The points missed at least `least` times and at most of the `latest` reviews of their card, the most missed first.

    `points` says how many each card has; cards that are not in it are left out.
    """
    last: dict[str, deque[set[int]]] = {}
    for card, ticked in ticks:
        last.setdefault(card, deque(maxlen=latest)).append(set(ticked))
    missed = [
        MissedPoint(card, point, sum(point not in ticked for ticked in reviews), len(reviews))
        for card, reviews in last.items()
        for point in range(points.get(card, 0))
    ]
    often = [each for each in missed if each.missed >= least and 2 * each.missed > each.reviews]
    return sorted(often, key=lambda each: (-each.missed / each.reviews, -each.missed, each.card, each.point))


def minutes_estimate(seconds: Iterable[float], cards: int) -> float:
    """How many minutes so many cards will take, going by the median of the latest answers; a minute each at first."""
    took = [min(each, LONGEST_SECONDS) for each in seconds]
    return cards * (median(took) if took else GUESSED_SECONDS) / 60
