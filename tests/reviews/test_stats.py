"""Numbers about one's own study."""

from datetime import timedelta

import pytest

from studyapp.reviews import stats
from studyapp.reviews.scheduler import CardState, study_day
from studyapp.settings import Settings

DAY = timedelta(days=1)


@pytest.fixture
def log(store, now):
    """Cards learned ten days ago; one recalled, one forgotten today, one forgotten but undone."""
    for card in ("a", "b", "c"):
        store.append("review", card, now - 10 * DAY, rating=4, seconds=30)
    store.append("review", "a", now, rating=3, ticked=(0,), suggested=1, seconds=90)
    store.append("review", "b", now, rating=1, ticked=(), suggested=1, seconds=9999)
    store.append("review", "c", now, rating=1, seconds=1)
    store.undo(now)
    return store.days()


def test_retention_counts_reviews_that_came_due(log, now):
    """True retention is the share recalled of cards in review: first learning and undone answers are left out."""
    today = study_day(now, Settings(timezone="UTC"))
    assert stats.retention(log) == stats.Retention(1, 2) and stats.retention(log).share == 0.5
    assert stats.retention(log, last=today - 1).share is None
    assert stats.retention(log, first=today) == stats.Retention(1, 2)


def test_the_store_counts_the_days_asked_for(log, store, now):
    """Of a span of days only those with a review come, each with all, recalled, due and recalled of due."""
    today = study_day(now, Settings(timezone="UTC"))
    assert log == {today - 10: stats.Day(3, 3, 0, 0), today: stats.Day(2, 1, 2, 1)}
    assert list(store.days(today - 9, today)) == [today] and list(store.days(last=today - 1)) == [today - 10]


def test_streaks():
    """A streak runs to today, or to yesterday while today has none yet, and breaks with a day left out."""
    assert [stats.streak({1, 2, 3, 5, 6}, today) for today in (3, 4, 5, 6, 7, 8)] == [3, 3, 1, 2, 2, 0]
    assert stats.streak((), 5) == 0


def test_heatmap_ends_today(log, now):
    """The heat map has one number for each day, today last, and leaves undone reviews out."""
    today = study_day(now, Settings(timezone="UTC"))
    assert stats.heatmap(log, 11, today) == [3] + [0] * 9 + [2]
    assert stats.heatmap(log, 2, today + 1) == [2, 0] and stats.heatmap({}, 2, today) == [0, 0]


def test_forecast_puts_overdue_and_learning_today(now):
    """Overdue and learning cards count today, buried ones tomorrow, and new, suspended and later ones not at all."""
    day = study_day(now, Settings(timezone="UTC"))
    cards = [
        CardState("overdue", "review", due_day=day - 9, last_day=day - 20),
        CardState("soon", "review", due_day=day + 2, last_day=day),
        CardState("learning", "learning", step=0, due_at=now),
        CardState("buried", "review", due_day=day, buried_day=day),
        CardState("late", "review", due_day=day + 5),
        CardState("suspended", "review", due_day=day, suspended=True),
        CardState("new"),
    ]
    assert stats.forecast(cards, now, 5, Settings(timezone="UTC")) == [2, 1, 1, 0, 0]
    assert sum(stats.forecast({card.card: card for card in cards}, now, 6, Settings(timezone="UTC"))) == 5


def test_topic_counts(store, log, now):
    """A topic's cards are new, learning, young or mature, and its recall is the mean chance of those reviewed."""
    store.append("suspend", "d", now)
    counted = stats.topic_counts({"t": ["a", "b", "c", "d", "e"], "u": []}, store.cards(), store.scheduler, now)
    topic = counted["t"]
    assert (topic.total, topic.new, topic.learning, topic.suspended) == (5, 1, 1, 1)
    assert topic.young + topic.mature == 2 and topic.due == 1
    assert topic.recall is not None and 0.8 < topic.recall < 1
    assert counted["u"] == stats.TopicCount()


def test_minutes_estimate_goes_by_the_median(log, store):
    """Ten cards take ten times the median answer, a card left open does not matter, and a minute is the first guess."""
    assert store.latest_seconds() == [9999, 90, 30, 30, 30] and store.latest_seconds(2) == [9999, 90]
    assert stats.minutes_estimate(store.latest_seconds(), 10) == pytest.approx(10 * 30 / 60)
    assert stats.minutes_estimate([], 10) == 10
