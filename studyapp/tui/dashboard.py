"""The numbers that Home and Stats show."""

from dataclasses import dataclass
from datetime import date, timedelta

from studyapp.context import AppContext
from studyapp.reviews import stats
from studyapp.reviews.scheduler import Scheduler


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
    yesterday_percent: int
    seen: bool


def waits(load: TopicLoad) -> int:
    """How many cards wait in a topic."""
    return load.new + load.learn + load.due


def date_of(day: int) -> date:
    """The date of a study day: until the rollover hour it is that of the day before."""
    return date(1970, 1, 1) + timedelta(days=day)


def home_stats(context: AppContext) -> HomeStats:
    """Count what Home shows; what waits today comes from the sitting itself, so that the two agree."""
    cards, now, day = context.cards(), context.clock(), context.today()
    days = context.store.days(day - 1, day)
    scheduler = Scheduler(context.settings)
    ids = {t.id: [q.card_id for q in context.scheduled(t.id)] for t in context.topics()}
    ids[""] = [q.card_id for q in context.scheduled()]
    recall = {name: r for name, c in cards.items() if c.reps and (r := scheduler.retrievability(c, day)) is not None}
    loads = {}
    for topic, wanted in ids.items():
        counts = context.session(topic or None, cards=cards).counts(now)
        recalled = [recall[c] for c in wanted if c in recall]
        known = sum(c in cards and cards[c].state in ("review", "relearning") for c in wanted)
        mean = sum(recalled) / len(recalled) if recalled else 0.0
        loads[topic] = TopicLoad(topic, counts.new, counts.learning, counts.due, known, len(wanted), mean)
    today = loads.pop("")
    mine = [cards[c] for c in ids[""] if c in cards]
    past = days.get(day - 1, stats.Day())
    return HomeStats(
        today=today,
        topics=list(loads.values()),
        minutes=minutes(context, today),
        streak=streak(context),
        forecast=stats.forecast(mine, now, 14, context.settings),
        yesterday=past.reviews,
        yesterday_percent=round(100 * past.recalled / past.reviews) if past.reviews else 0,
        seen=bool(cards),
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
