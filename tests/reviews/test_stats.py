"""Numbers about one's own study."""

from datetime import timedelta

import pytest

from studyapp.reviews import stats
from studyapp.reviews.cards import study_day
from studyapp.settings import Settings

DAY = timedelta(days=1)


@pytest.fixture
def log(store, now):
    """Cards learned ten days ago; one recalled, one forgotten today, one forgotten but undone."""
    for card in ("a", "b", "c"):
        store.append("review", card, now - 10 * DAY, rating=4, seconds=30)
    store.append("review", "a", now, rating=3, seconds=90)
    store.append("review", "b", now, rating=1, seconds=9999)
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


def test_the_date_of_a_study_day_is_its_own(now):
    """Until the rollover hour the date, and so the weekday, is still that of the day before."""
    late = now.replace(hour=1, minute=30)
    day = study_day(late, Settings(timezone="UTC"))
    assert stats.date_of(day) == (late - DAY).date() and stats.date_of(day).weekday() == (late - DAY).weekday()


def test_minutes_estimate_goes_by_the_median(log, store):
    """Ten cards take ten times the median answer, a card left open does not matter, and a minute is the first guess."""
    assert store.latest_seconds() == [9999, 90, 30, 30, 30] and store.latest_seconds(2) == [9999, 90]
    assert stats.minutes_estimate(store.latest_seconds(), 10) == pytest.approx(10 * 30 / 60)
    assert stats.minutes_estimate([], 10) == 10


def test_points_left_out_again_and_again_are_named(store, now):
    """Of the last reviews with ticks; what was undone, was rated without a tick, or was missed once only, does not count."""
    for n, ticked in enumerate(([0, 1], [0], [0], [0, 1, 2], [], [0])):
        store.append("review", "a", now + n * DAY, rating=3, data={"ticked": ticked})
    store.append("review", "a", now + 9 * DAY, rating=3, data={"ticked": [1, 2]})
    store.undo(now + 9 * DAY)
    store.append("review", "b", now, rating=3, data={"ticked": [1]})
    store.append("review", "c", now, rating=3)
    ticks = [("a", [0, 1]), ("a", [0]), ("a", [0]), ("a", [0, 1, 2]), ("a", [0]), ("b", [1])]
    assert store.ticks() == ticks
    missed = stats.missed_points(store.ticks(), {"a": 3, "b": 2})
    assert missed == [stats.MissedPoint("a", 2, 4, 5), stats.MissedPoint("a", 1, 3, 5)]
    assert stats.missed_points(store.ticks(), {"b": 2}) == []


def test_only_the_latest_reviews_count_for_a_point(store, now):
    """A point that was left out long ago and is said now is not missed."""
    ticks = [("a", [0])] * 5 + [("a", [0, 1])] * 5
    assert stats.missed_points(ticks, {"a": 2}) == []
    assert stats.missed_points(ticks, {"a": 2}, latest=8) == []
    assert stats.missed_points(ticks[:7], {"a": 2}) == [stats.MissedPoint("a", 1, 3, 5)]
