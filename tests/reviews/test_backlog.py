"""After a break: the least lost first, and when it is done."""

from dataclasses import replace
from datetime import timedelta

import pytest

from studyapp.reviews.backlog import days_to_finish
from studyapp.reviews.cards import CardState, study_day
from studyapp.reviews.scheduler import Scheduler
from studyapp.reviews.store import Store
from studyapp.reviews.study import StudySession
from studyapp.settings import Settings
from tests.reviews.conftest import NOW

WEIGHTS = Scheduler(Settings()).parameters
LATER = NOW + timedelta(days=60)


@pytest.fixture
def behind(store: Store) -> list[str]:
    """Cards that came due long ago, those of the longest stability last; all but the last two were learnt at once."""
    for n in range(6):
        for repeat in range(n + 1):
            store.append("review", f"q{n}#recall", NOW + timedelta(days=3 * repeat), rating=3)
    return [f"q{n}#recall" for n in range(6)]


def asked(store: Store, order: list[str], limit: int) -> list[str]:
    """What a sitting asks, all answered Good."""
    store.configure(replace(store.settings, reviews_per_day=limit, new_per_day=0, learn_ahead_minutes=0))
    session, found = StudySession(store, order, LATER), []
    while (card := session.next(LATER)) is not None and len(found) < 20:
        found.append(card.card)
        session.answer(card, 3, LATER)
    return found


def test_beyond_the_days_limit_the_least_lost_come_first(store: Store, behind: list[str]) -> None:
    """By falling chance of recall, over the whole day; within the limit they come by due day as ever."""
    day = study_day(LATER, store.settings)
    due = [c for c in behind if store.card(c).due_day is not None and store.card(c).due_day <= day]  # type: ignore[operator]
    assert len(due) >= 4
    recall = {card: store.scheduler.retrievability(store.card(card), day) for card in due}
    by_day = sorted(due, key=lambda card: (store.card(card).due_day, card))
    by_recall = sorted(due, key=lambda card: -recall[card])  # type: ignore[operator]
    assert by_day != by_recall
    first = asked(store, behind, limit=2)
    assert [card for card in first if card in due] == by_recall[:2]


def test_within_the_limit_nothing_changes(store: Store, behind: list[str]) -> None:
    """What came due first is asked first."""
    day = study_day(LATER, store.settings)
    due = [c for c in behind if (d := store.card(c).due_day) is not None and d <= day]
    by_day = sorted(due, key=lambda card: (store.card(card).due_day, card))
    assert [card for card in asked(store, behind, limit=50) if card in due] == by_day


def test_a_sitting_keeps_to_the_limit_and_counts_right(store: Store, behind: list[str]) -> None:
    """No more than the day's limit, however the queue is ordered, and what is left is what comes."""
    store.configure(replace(store.settings, reviews_per_day=3, new_per_day=0, learn_ahead_minutes=0))
    session = StudySession(store, behind[1:], LATER)
    counts, left = session.counts(LATER), session.left(LATER)
    assert counts.due == 3 and len([c for c in left if store.card(c).due_day is not None]) == 3
    card = session.next(LATER)
    assert card is not None and card.card in left
    session.answer(card, 3, LATER)
    assert session.counts(LATER).due == 2 and session.undo(LATER) is not None and session.counts(LATER).due == 3


def state(name: str, stability: float, ago: int, today: int = 1000) -> CardState:
    return CardState(name, "review", due_day=today - ago // 2, stability=stability, difficulty=5.0, last_day=today - ago)


def test_the_end_is_that_of_the_simulated_days() -> None:
    """More a day is sooner, what comes back meanwhile is counted, and a limit that never suffices has no end."""
    cards = [state(f"q{n}", 5.0 + n % 7, 40) for n in range(300)]
    days = {limit: days_to_finish(cards, WEIGHTS, 0.9, limit, 1000) for limit in (5, 40, 100, 400)}
    assert days[400] == 0 and days[5] is None
    assert days[40] is not None and days[100] is not None and days[40] > days[100] >= 3
    assert days[40] > 300 / 40, "cards come back while it is worked off"


def test_without_cards_there_is_nothing_to_finish() -> None:
    """Suspended and new ones do not count."""
    assert days_to_finish([], WEIGHTS, 0.9, 10, 1000) == 0
    assert days_to_finish([CardState("new"), replace(state("away", 3, 30), suspended=True)], WEIGHTS, 0.9, 10, 1000) == 0
    assert days_to_finish([state("a", 3, 30)], WEIGHTS, 0.9, 0, 1000) is None
