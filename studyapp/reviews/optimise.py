"""The weights of FSRS fitted to a learner's own reviews by fsrs-rs, kept only where they predict better.

What is fitted: for each card its ratings with the study days between them, since it was last made new; every review after the
first that came on a later day is predicted from those before it. A set for all cards: sets for single decks predict worse
(srs-benchmark). Whether it is better is judged on the newest fifth of these reviews, by weights that were fitted to the rest.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from studyapp.errors import StoreError
from studyapp.reviews.cards import CardState
from studyapp.reviews.log import LogEvent, active_events
from studyapp.reviews.scheduler import Scheduler, replay
from studyapp.reviews.store import Store
from studyapp.settings import HIGHEST, LOWEST

LEAST = 400
"""Reviews below which a fit says little: FSRS's own advice."""
HELD_OUT = 0.2
FITTED = "parameters"
RESCHEDULED = "reschedule"


@dataclass(frozen=True)
class Predicted:
    """A review to be predicted: ratings with the days before each, itself last, and when it was."""

    reviews: tuple[tuple[int, int], ...]
    at: datetime


@dataclass(frozen=True)
class Fit:
    """What a fit came to.

    Attributes:
        reviews: how many reviews can be predicted.
        before, after: log loss on the reviews held out, with the weights in use and with those fitted to the others.
        parameters: the weights fitted to all of them.
        better: whether they predict better than those in use.
    """

    reviews: int
    held_out: int
    before: float
    after: float
    parameters: tuple[float, ...]

    @property
    def better(self) -> bool:
        return self.after < self.before


def predicted(events: Iterable[LogEvent]) -> list[Predicted]:
    """Every review of the log that can be predicted, oldest first."""
    histories: dict[str, list[tuple[int, int]]] = {}
    days: dict[str, int] = {}
    found = []
    for event in active_events(events):
        if event.kind == "reset":
            histories.pop(event.card, None)
        if event.kind != "review" or event.rating is None:
            continue
        history = histories.setdefault(event.card, [])
        gap = max(0, event.day - days[event.card]) if history else 0
        days[event.card] = max(event.day, days.get(event.card, event.day)) if history else event.day
        history.append((event.rating, gap))
        if gap > 0:
            found.append(Predicted(tuple(history), event.at))
    return found


def fit(reviews: Sequence[Predicted], parameters: Sequence[float], relearning_steps: int) -> Fit:
    """Fit weights to reviews, and judge them on the newest that were held out.

    Raises:
        StoreError: where fsrs-rs is not installed, or can make nothing of so few.
    """
    rust = library()
    items = [_item(rust, each) for each in reviews]
    cut = len(items) - max(1, round(HELD_OUT * len(items)))
    try:
        trained = compute(rust, items[:cut], relearning_steps)
        before = rust.FSRS(list(parameters)).evaluate(items[cut:]).log_loss
        after = rust.FSRS(list(trained)).evaluate(items[cut:]).log_loss
        whole = compute(rust, items, relearning_steps)
    except Exception as error:  # what the library raises is its own
        raise StoreError("the reviews cannot be fitted: {error}", "There may be too few yet.", error=error) from error
    return Fit(len(items), len(items) - cut, float(before), float(after), whole)


def compute(rust: Any, items: list[Any], relearning_steps: int) -> tuple[float, ...]:
    """fsrs-rs's weights for these items, within the bounds of FSRS-6 (it rounds to 32 bits)."""
    weights = rust.FSRS([]).compute_parameters(items, enable_short_term=True, num_relearning_steps=relearning_steps)
    return tuple(min(max(round(w, 6), low), high) for w, low, high in zip(weights, LOWEST, HIGHEST, strict=True))


def library() -> Any:
    """fsrs-rs.

    Raises:
        StoreError: where it is not installed.
    """
    try:
        import fsrs_rs_python
    except ImportError as error:
        raise StoreError(
            "fitting needs fsrs-rs, which is not installed", "Install it: pip install 'fsrs-rs-python>=0.9.3'"
        ) from error
    return fsrs_rs_python


def _item(rust: Any, each: Predicted) -> Any:
    return rust.FSRSItem([rust.FSRSReview(rating, days) for rating, days in each.reviews])


def remember(store: Store, result: Fit, before: Sequence[float], now: datetime, back: bool = False) -> None:
    """Write into the log which weights are in use from now on, and why; on the card that was reviewed last."""
    last = next((event.card for event in reversed(store.events()) if event.kind == "review"), None)
    if last is not None:
        data = {
            "parameters": list(result.parameters), "were": list(before), "reviews": result.reviews,
            "log_loss": [result.before, result.after], "back": back,
        }  # fmt: skip
        store.append(FITTED, last, now, data=data)


def versions(store: Store) -> list[LogEvent]:
    """Every change of the weights, oldest first."""
    return store.observed(FITTED)


def reschedule(store: Store, now: datetime) -> int:
    """Give every card in review the due day that the weights in use would have given it; how many changed.

    Each is an event: the cards stay what a replay of the log makes of them, and `take_back` undoes the whole.
    """
    fresh = Scheduler(store.settings)
    config = fresh.config(now)
    events = [replace(e, config=config) if e.kind == "review" else e for e in store.events() if e.kind != RESCHEDULED]
    changed, batch = 0, f"{now.timestamp():.0f}"
    for card, wanted in replay(fresh, events).items():
        state = store.card(card)
        if state.state != "review" or wanted.due_day is None or wanted.stability is None or _same(state, wanted):
            continue
        data = {"stability": wanted.stability, "difficulty": wanted.difficulty, "due_day": wanted.due_day, "batch": batch}
        store.append(RESCHEDULED, card, now, data=data)
        changed += 1
    return changed


def take_back(store: Store, now: datetime) -> int:
    """Undo the last rescheduling that stands; how many cards it had changed."""
    standing = [event for event in active_events(store.events()) if event.kind == RESCHEDULED]
    last = [event for event in standing if event.data.get("batch") == standing[-1].data.get("batch")]
    return sum(store.reverse("undo", event.uid, now) is not None for event in last)


def _same(state: CardState, wanted: CardState) -> bool:
    return state.due_day == wanted.due_day and abs((state.stability or 0) - (wanted.stability or 0)) < 1e-9
