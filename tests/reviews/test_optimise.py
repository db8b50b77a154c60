"""Weights of FSRS fitted to one's own log, and rescheduling by them."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from studyapp.errors import StoreError
from studyapp.reviews.cards import study_day
from studyapp.reviews.log import active_events
from studyapp.reviews.memory import Memory
from studyapp.reviews.merge import merge
from studyapp.reviews.optimise import fit, predicted, remember, reschedule, take_back, versions
from studyapp.reviews.scheduler import Scheduler, replay
from studyapp.reviews.store import Store
from studyapp.settings import Settings
from tests.reviews.conftest import NOW

fsrs_rs = pytest.importorskip("fsrs_rs_python")
SETTINGS = Settings(timezone="UTC", learning_steps_minutes=(), relearning_steps_minutes=(10,))
USUAL = Scheduler(SETTINGS).parameters


def studied(store: Store, cards: int = 60, days: int = 120, factor: float = 0.3, start: datetime = NOW) -> None:
    """A learner who forgets faster than FSRS expects: stabilities are `factor` of what it believes."""
    rng, memory = np.random.default_rng(1), Memory(USUAL)
    for day in range(days):
        now = start + timedelta(days=day)
        today = study_day(now, store.settings)
        for n in range(cards):
            state = store.card(f"q{n}#recall")
            if state.state == "new":
                if n <= day:
                    store.append("review", state.card, now, rating=3)
            elif state.due_day is None or state.due_day <= today:
                gap = today - (state.last_day or today)
                chance = float(memory.recall(np.array((state.stability or 1.0) * factor), gap))
                store.append("review", state.card, now, rating=3 if rng.random() < chance else 1)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The log of such a learner, to be copied."""
    path = tmp_path_factory.mktemp("log") / "reviews.db"
    with Store.open(path, SETTINGS, NOW) as store:
        studied(store)
    return path


@pytest.fixture
def own(log: Path, tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "reviews.db", SETTINGS, NOW) as store:
        merge(store, log)
        yield store


def test_fitted_weights_are_those_of_fsrs_rs(own: Store) -> None:
    """Items made here by another way, from days and ratings by card, give fsrs-rs's own weights, to the digit."""
    by_card: dict[str, list[tuple[int, int]]] = {}
    order = []
    for event in own.events():
        by_card.setdefault(event.card, []).append((event.day, event.rating or 0))
        order.append((event.card, len(by_card[event.card])))
    items = []
    for card, length in order:
        rows = by_card[card][:length]
        gaps = [0, *(rows[n][0] - rows[n - 1][0] for n in range(1, length))]
        if length > 1 and gaps[-1] > 0:
            items.append(fsrs_rs.FSRSItem([fsrs_rs.FSRSReview(rating, gap) for (_, rating), gap in zip(rows, gaps, strict=True)]))
    wanted = fsrs_rs.FSRS([]).compute_parameters(items, num_relearning_steps=1)
    result = fit(predicted(own.events()), USUAL, 1)
    assert result.reviews == len(items) > 400
    assert result.parameters == pytest.approx(wanted, abs=1e-6)


def test_they_predict_a_learner_better_who_forgets_faster(own: Store) -> None:
    """Judged on reviews that the fit did not see: the loss is that of fsrs-rs there, and the fitted weights forget faster."""
    reviews = predicted(own.events())
    result = fit(reviews, USUAL, 1)
    assert result.better and result.after < result.before - 0.02 and result.held_out == round(0.2 * len(reviews))
    fitted, usual = Memory(result.parameters), Memory(USUAL)
    assert fitted.first(3)[0] < usual.first(3)[0]


def test_weights_that_fit_already_are_left(own: Store) -> None:
    """A second fit after the first gains nothing to speak of."""
    reviews = predicted(own.events())
    first = fit(reviews, USUAL, 1)
    again = fit(reviews, first.parameters, 1)
    assert again.parameters == first.parameters and again.before - again.after < 0.01


def test_what_is_predicted(store: Store) -> None:
    """Reviews of a later day, with the days between; a reset begins anew, what was undone and what is of the same day is none."""
    for days, rating in ((0, 3), (0, 4), (5, 1), (5, 3), (12, 2)):
        store.append("review", "a#recall", NOW + timedelta(days=days), rating=rating)
    undone = store.append("review", "a#recall", NOW + timedelta(days=20), rating=4)
    store.reverse("undo", undone.uid, NOW + timedelta(days=20))
    found = [each.reviews for each in predicted(store.events())]
    assert found == [((3, 0), (4, 0), (1, 5)), ((3, 0), (4, 0), (1, 5), (3, 0), (2, 7))]
    store.append("reset", "a#recall", NOW + timedelta(days=21))
    store.append("review", "a#recall", NOW + timedelta(days=22), rating=3)
    store.append("review", "a#recall", NOW + timedelta(days=25), rating=3)
    assert [each.reviews for each in predicted(store.events())][2:] == [((3, 0), (3, 3))]


def test_versions_stand_in_the_log(own: Store) -> None:
    """Each change says what the weights were and how well they predicted; no card changes by it, and a merge takes it along."""
    before = own.cards()
    result = fit(predicted(own.events()), USUAL, 1)
    remember(own, result, USUAL, NOW + timedelta(days=200))
    (event,) = versions(own)
    assert tuple(event.data["were"]) == USUAL and tuple(event.data["parameters"]) == result.parameters
    assert event.data["log_loss"] == [result.before, result.after] and own.cards() == before


def test_rescheduling_equals_a_replay_and_is_taken_back(own: Store) -> None:
    """Cards in review get the day that the new weights would have given them; the log still makes the cards; undo restores all."""
    before, later = own.cards(), NOW + timedelta(days=121)
    result = fit(predicted(own.events()), USUAL, 1)
    own.configure(replace(SETTINGS, parameters=result.parameters))
    assert own.cards() == before, "other weights alone move nothing"
    config = own.scheduler.config(later)
    anew = replay(own.scheduler, [replace(e, config=config) for e in active_events(own.events())])
    count = reschedule(own, later)
    assert count > 10 and not list(own.differences())
    for card, state in own.cards().items():
        if state.state == "review":
            assert (state.due_day, state.stability) == (anew[card].due_day, pytest.approx(anew[card].stability))
            assert state.difficulty == pytest.approx(anew[card].difficulty)
        assert (state.reps, state.lapses, state.last_day) == (before[card].reps, before[card].lapses, before[card].last_day)
    assert reschedule(own, later) == 0
    assert own.rebuild() == len(before)
    moved = own.cards()
    own.configure(SETTINGS)
    assert reschedule(own, later + timedelta(minutes=1)) > 0
    assert take_back(own, later + timedelta(hours=1)) > 0 and own.cards() == moved, "the last rescheduling alone"
    assert take_back(own, later + timedelta(hours=1)) == count and own.cards() == before
    assert take_back(own, later + timedelta(hours=1)) == 0


def test_a_review_after_rescheduling_goes_on_from_it(own: Store) -> None:
    """It starts from the stability that the card was given."""
    later = NOW + timedelta(days=121)
    own.configure(replace(SETTINGS, parameters=fit(predicted(own.events()), USUAL, 1).parameters))
    reschedule(own, later)
    card = next(s for s in own.cards().values() if s.state == "review")
    after = own.write("review", card.card, later + timedelta(days=1), rating=3).card
    assert after.stability == own.scheduler.preview(card, later + timedelta(days=1))[3].stability  # type: ignore[index]
    assert not list(own.differences())


def test_without_the_library_the_way_to_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is missing, how to install it."""
    monkeypatch.setitem(sys.modules, "fsrs_rs_python", None)
    with pytest.raises(StoreError) as refused:
        fit([], USUAL, 1)
    assert "pip install" in str(refused.value.hint)
