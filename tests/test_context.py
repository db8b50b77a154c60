"""The context that both faces share."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from studyapp.context import AppContext
from studyapp.reviews.log import Rating
from studyapp.reviews.store import Store
from studyapp.reviews.study import StudySession
from studyapp.settings import Settings

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def test_a_setting_that_is_changed_schedules_from_then_on(tmp_path: Path) -> None:
    """A sitting that runs while the desired retention is changed promises and stores the new interval: the store, the
    screens and the sitting never go by different settings."""
    settings = Settings(timezone="UTC")
    with Store.open(tmp_path / "reviews.db", settings, NOW) as store:
        context = AppContext(home=tmp_path, settings=settings, store=store, clock=lambda: NOW)
        session = StudySession(store, ["a#recall"], NOW)
        session.answer(store.card("a#recall"), Rating.EASY, NOW)
        later, shown = NOW + timedelta(days=9), store.card("a#recall")
        before = session.preview(shown, later)[Rating.GOOD]
        context.change(desired_retention=0.8)
        promised = session.preview(shown, later)[Rating.GOOD]
        assert promised.due_day > before.due_day
        assert session.answer(shown, Rating.GOOD, later) == promised
        assert store.settings == context.settings and store.settings.desired_retention == 0.8
