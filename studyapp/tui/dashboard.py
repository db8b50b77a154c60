"""The numbers that Home shows beside those of the overview."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from studyapp.context import AppContext
from studyapp.reviews import stats
from studyapp.reviews.overview import Overview


@dataclass(frozen=True)
class HomeStats:
    """All of Home's numbers."""

    overview: Overview
    minutes: int
    streak: int
    yesterday: stats.Day
    began_before: bool
    """Whether anything was reviewed before today: else that nothing was yesterday goes without saying."""
    kinds: Mapping[str, int] = field(default_factory=dict)
    """How many cards of each kind wait, where any kind is asked beside recall."""

    @property
    def yesterday_percent(self) -> int:
        """Of the cards in review: the same figure as in Stats."""
        past = self.yesterday
        return round(100 * past.due_recalled / past.due) if past.due else 0


def home_stats(context: AppContext) -> HomeStats:
    """Count what Home shows; what waits is what the sittings themselves would count."""
    overview, day = context.overview(), context.today()
    past = context.store.days(day - 1, day).get(day - 1, stats.Day())
    first = context.store.first_day()
    return HomeStats(
        overview, minutes(context, overview.today.waiting), streak(context), past, first is not None and first < day,
        context.left_by_kind() if context.settings.kinds else {},
    )  # fmt: skip


def minutes(context: AppContext, cards: int) -> int:
    """How long so many cards will take, from the learner's own pace; never nothing where something waits."""
    return max(min(cards, 1), round(stats.minutes_estimate(context.store.latest_seconds(), cards)))


def streak(context: AppContext) -> int:
    """Study days in a row, read as far back as the row goes."""
    today, back = context.today(), 64
    while True:
        days = context.store.days(today - back, today)
        length = stats.streak(days, today)
        if length < back - 1:
            return length
        back *= 4
