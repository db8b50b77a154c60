"""What a review makes of a card: FSRS-6 behind one pure function, counted in study days.

A study day is a whole number fixed when the event happens, so replay gives the same cards in every time zone. The
library gets study days as whole-day datetimes; steps of learning stay in minutes of real time. Its own fuzz draws from
the global random numbers and is off: ours depends on the card and its repetition only.
"""

import hashlib
import math
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from datetime import timezone as fixed_zone
from functools import cache, lru_cache
from typing import Literal

from fsrs.card import Card as FsrsCard
from fsrs.rating import Rating as FsrsRating
from fsrs.scheduler import DEFAULT_PARAMETERS
from fsrs.scheduler import Scheduler as FsrsScheduler
from fsrs.state import State as FsrsState

from studyapp.reviews.cards import CardState, study_day
from studyapp.reviews.log import LogEvent, Rating, SchedulerConfig, active_events
from studyapp.settings import Settings

EPOCH = datetime(1970, 1, 1, tzinfo=fixed_zone.utc)  # noqa: UP017  (the library compares with timezone.utc)
FUZZ = ((2.5, 7.0, 0.15), (7.0, 20.0, 0.1), (20.0, math.inf, 0.05))  # from day, to day, share of the days between
STATES = {"new": FsrsState.Learning, "learning": FsrsState.Learning, "review": FsrsState.Review}
STATES["relearning"] = FsrsState.Relearning
NAMES: dict[FsrsState, Literal["learning", "review", "relearning"]] = {
    FsrsState.Learning: "learning",
    FsrsState.Review: "review",
    FsrsState.Relearning: "relearning",
}


def interval(before: CardState, after: CardState, now: datetime) -> timedelta:
    """How long until the card comes again: minutes while learning, whole days in review."""
    if after.due_day is not None and after.last_day is not None:
        return timedelta(days=after.due_day - after.last_day)
    return after.due_at - now if after.due_at is not None else timedelta(0)


class Scheduler:
    """FSRS-6 with the learner's settings."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.parameters: tuple[float, ...] = settings.parameters or DEFAULT_PARAMETERS

    def config(self, now: datetime) -> SchedulerConfig:
        """All that decides what a review at this moment makes of its card."""
        settings = self.settings
        return SchedulerConfig(
            version=f"FSRS-6/fsrs-{_library()}",
            parameters=self.parameters,
            desired_retention=settings.desired_retention,
            learning_steps_minutes=settings.learning_steps_minutes,
            relearning_steps_minutes=settings.relearning_steps_minutes,
            max_interval_days=settings.max_interval_days,
            leech_lapses=settings.leech_lapses,
        )

    def preview(self, state: CardState, now: datetime) -> dict[Rating, CardState]:
        """What each rating would make of the card now; just what `apply` will do."""
        day, config = study_day(now, self.settings), self.config(now)
        return {
            rating: self.apply(state, LogEvent("", "review", state.card, now, day, rating, config=config))
            for rating in Rating
        }

    def apply(self, state: CardState, event: LogEvent) -> CardState:
        """The card after one event. Undo and redo are not applied but decide which events are (see `active_events`)."""
        match event.kind:
            case "review":
                return _review(state, event, event.config or self.config(event.at))
            case "suspend":
                return replace(state, suspended=True)
            case "unsuspend":
                return replace(state, suspended=False, buried_day=None)
            case "bury":
                return replace(state, buried_day=event.day)
            case "reschedule" if state.state == "review":
                moved = {name: event.data[name] for name in ("stability", "difficulty", "due_day")}
                return replace(state, **moved)
            case "reset":
                return CardState(state.card, suspended=state.suspended)
            case _:
                return state

    def retrievability(self, state: CardState, day: int) -> float | None:
        """The chance that the card is recalled on a study day; None for a card never reviewed.

        FSRS-6's forgetting curve, R = (1 + F·t/S)^(−w₂₀) with F such that R = 0.9 at t = S. Written out, for the library
        makes two cards and two dates of each, and Home asks it of every card.
        """
        if state.stability is None or state.last_day is None:
            return None
        decay, factor = self.forgetting()
        return float((1 + factor * max(0, day - state.last_day) / state.stability) ** -decay)

    def forgetting(self) -> tuple[float, float]:
        """The decay and the factor F of the forgetting curve."""
        decay = self.parameters[-1]
        return decay, 0.9 ** (-1 / decay) - 1


def replay(scheduler: Scheduler, events: Iterable[LogEvent]) -> dict[str, CardState]:
    """All cards from the log alone. The cards that the store keeps are always equal to this."""
    listed = list(events)
    cards = {event.card: CardState(event.card) for event in listed}
    for event in active_events(listed):
        cards[event.card] = scheduler.apply(cards[event.card], event)
    return cards


def _review(state: CardState, event: LogEvent, config: SchedulerConfig) -> CardState:
    """The card after a review. A study day earlier than the last (a flight west) counts as the same day."""
    assert event.rating is not None
    day = event.day if state.last_day is None else max(event.day, state.last_day)
    moment = _midnight(day)
    after, _ = _fsrs(config).review_card(_card(state), FsrsRating(event.rating), moment)
    lapses = state.lapses + (state.state == "review" and event.rating == Rating.AGAIN)
    in_review = after.state == FsrsState.Review
    days = fuzzed((after.due - moment).days, state.card, state.reps, config.max_interval_days) if in_review else 0
    return replace(
        state,
        state=NAMES[after.state],
        step=after.step,
        due_at=None if in_review else event.at + (after.due - moment),
        due_day=day + days if in_review else None,
        stability=float(after.stability),
        difficulty=float(after.difficulty),
        last_day=day,
        last_at=event.at,
        reps=state.reps + 1,
        lapses=lapses,
        leech=state.leech or lapses >= config.leech_lapses,
        buried_day=None,
    )


def fuzzed(days: int, card: str, reps: int, longest: int) -> int:
    """An interval moved a little, so that cards learned together part; the same card and repetition move alike."""
    if days < 2.5:
        return days
    reach = 1.0 + sum(share * max(min(days, end) - start, 0.0) for start, end, share in FUZZ)
    high = min(round(days + reach), longest)
    low = min(max(2, round(days - reach)), high)
    digest = hashlib.sha256(f"{card}\n{reps}".encode()).digest()
    return low + int.from_bytes(digest[:8], "big") * (high - low + 1) // 2**64


def _card(state: CardState) -> FsrsCard:
    last = None if state.last_day is None else _midnight(state.last_day)
    return FsrsCard(0, STATES[state.state], state.step, state.stability, state.difficulty, EPOCH, last)


def _midnight(day: int) -> datetime:
    return EPOCH + timedelta(days=day)


@lru_cache(maxsize=64)
def _fsrs(config: SchedulerConfig) -> FsrsScheduler:
    return FsrsScheduler(
        parameters=config.parameters,
        desired_retention=config.desired_retention,
        learning_steps=[timedelta(minutes=step) for step in config.learning_steps_minutes],
        relearning_steps=[timedelta(minutes=step) for step in config.relearning_steps_minutes],
        maximum_interval=config.max_interval_days,
        enable_fuzzing=False,
    )


@cache
def _library() -> str:
    from importlib.metadata import version  # a twentieth of the first frame, were it imported with the rest

    return version("fsrs")
