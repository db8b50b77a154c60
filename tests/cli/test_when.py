"""Moments as a person says and reads them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from studyapp.cli.when import instant, until
from studyapp.context import AppContext
from studyapp.errors import CallError
from studyapp.settings import Settings

NOW = datetime(2026, 11, 23, 13, 23, 30, tzinfo=UTC)


def context(tmp_path: Path, language: str = "en", zone: str = "Asia/Shanghai") -> AppContext:
    """A learner in a time zone, at half past one UTC."""
    return AppContext(home=tmp_path, language=language, clock=lambda: NOW, settings=Settings(timezone=zone))


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (timedelta(minutes=10), "in 10 minutes, 21:33"),
        (timedelta(seconds=50), "in 1 minute, 21:24"),
        (timedelta(0), "now"),
        (timedelta(hours=-3), "now"),
        (timedelta(minutes=59, seconds=30), "in 1 hour, 22:23"),
        (timedelta(hours=5), "in 5 hours, 02:23"),
    ],
)
def test_a_learning_card_comes_back_in_minutes(tmp_path, after, said):
    """The span, and the time on the learner's own clock."""
    assert until(context(tmp_path), None, NOW + after) == said


@pytest.mark.parametrize(("days", "said"), [(0, "today"), (1, "tomorrow, 2026-11-24"), (9, "in 9 days, 2026-12-02")])
def test_a_card_in_review_comes_back_on_a_study_day(tmp_path, days, said):
    """The days until then and the date, by the study day and not by the calendar of UTC."""
    learner = context(tmp_path)
    assert until(learner, learner.today() + days, None) == said
    assert "明天" in until(context(tmp_path, "zh"), learner.today() + 1, None)


@pytest.mark.parametrize("text", ["yesterday", "", "2026-13-01", "9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+14:00"])
def test_what_is_no_time_is_a_wrong_call(tmp_path, text):
    """No traceback for a time that cannot be, and none taken for now."""
    with pytest.raises(CallError) as caught:
        instant(context(tmp_path), text)
    assert caught.value.exit_code == 2 and "2026-11-23T18:30" in caught.value.hint


def test_a_time_to_come_is_refused(tmp_path):
    """A card rated in the future would be gone until then; a clock a little ahead is no matter."""
    learner = context(tmp_path)
    with pytest.raises(CallError):
        instant(learner, "2062-11-26T10:00")
    assert instant(learner, "2026-11-23T13:25+00:00") > NOW
