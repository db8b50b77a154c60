"""The log, the cards and the sitting together."""

from datetime import UTC, datetime, timedelta

from studyapp.memory.schedule import Rating, replay
from studyapp.memory.session import Counts, Session
from studyapp.memory.store import Store
from studyapp.settings import Settings

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def test_a_sitting(tmp_path):
    """A new card answered Easy leaves the day's queue, comes back by undo, and the cards equal a replay of the log."""
    settings = Settings(timezone="UTC")
    with Store.open(tmp_path / "study.db", settings) as store:
        sitting = Session(store, store.scheduler, settings, ["a#recall", "b#recall"], NOW)
        first = sitting.next(NOW)
        assert first is not None and first.card == "a#recall"
        assert sitting.counts(NOW) == Counts(new=2)
        after = sitting.answer(first, Rating.EASY, NOW, ticked=(0, 2), suggested=3, seconds=4.5)
        assert after.state == "review" and sitting.counts(NOW) == Counts(new=1)
        assert sitting.undo(NOW + timedelta(seconds=1)).rating == 4
        assert sitting.counts(NOW) == Counts(new=2)
        assert sitting.redo(NOW + timedelta(seconds=2)).rating == 4
        assert store.cards() == replay(store.scheduler, store.events())
