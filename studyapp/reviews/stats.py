"""Numbers about one's own study: pure functions over what the store counts by study day."""

from collections.abc import Container, Iterable, Mapping
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


def minutes_estimate(seconds: Iterable[float], cards: int) -> float:
    """How many minutes so many cards will take, going by the median of the latest answers; a minute each at first."""
    took = [min(each, LONGEST_SECONDS) for each in seconds]
    return cards * (median(took) if took else GUESSED_SECONDS) / 60
