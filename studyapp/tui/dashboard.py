"""The numbers that Home and Stats show."""

from dataclasses import dataclass

from studyapp.context import AppContext
from studyapp.reviews import stats
from studyapp.reviews.overview import DeckCounts


@dataclass(frozen=True)
class TopicLoad:
    """What waits in a topic, and how much of it stands."""

    topic: str
    new: int
    learn: int
    due: int
    known: int
    total: int
    remembered: float


@dataclass(frozen=True)
class HomeStats:
    """All of Home's numbers."""

    today: TopicLoad
    topics: list[TopicLoad]
    minutes: int
    streak: int
    forecast: list[int]
    yesterday: int
    yesterday_due: int
    yesterday_percent: int
    """Of the cards in review: the same figure as in Stats."""
    seen: bool


def waits(load: TopicLoad) -> int:
    """How many cards wait in a topic."""
    return load.new + load.learn + load.due


def home_stats(context: AppContext) -> HomeStats:
    """Count what Home shows; what waits is what the sittings themselves would count."""
    overview, day = context.overview(), context.today()
    past = context.store.days(day - 1, day).get(day - 1, stats.Day())
    today = _load("", overview.today)
    return HomeStats(
        today=today,
        topics=[_load(topic, overview.waiting[topic]) for topic in overview.waiting],
        minutes=minutes(context, today),
        streak=streak(context),
        forecast=overview.forecast[:14],
        yesterday=past.reviews,
        yesterday_due=past.due,
        yesterday_percent=round(100 * past.due_recalled / past.due) if past.due else 0,
        seen=overview.answered,
    )


def _load(topic: str, counts: DeckCounts) -> TopicLoad:
    return TopicLoad(
        topic, counts.new, counts.learning, counts.due, counts.known, counts.total, counts.recall or 0.0
    )


def minutes(context: AppContext, load: TopicLoad) -> int:
    """How long the load will take, from the learner's own pace; never nothing where something waits."""
    cards = load.new + load.learn + load.due
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
