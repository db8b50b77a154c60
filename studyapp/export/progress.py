"""The learner's progress in Anki's own terms: card state, FSRS memory and the review log."""

import json
import math
import sqlite3
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Protocol

from studyapp.bank.refs import RECALL, CardId
from studyapp.reviews.cards import CardState, day_start, study_day
from studyapp.reviews.log import LogEvent, active_events
from studyapp.reviews.scheduler import Scheduler, interval
from studyapp.settings import Settings

DAYS_SINCE_CREATION = 4000  # the package says that its collection is that old; due days count from there
NEW, LEARNING, REVIEW, RELEARNING = 0, 1, 2, 3
TYPES = {"new": NEW, "learning": LEARNING, "review": REVIEW, "relearning": RELEARNING}
QUEUES = {NEW: 0, LEARNING: 1, REVIEW: 2, RELEARNING: 1}
SUSPENDED = -1
LOG_TYPES = {"new": 0, "learning": 0, "review": 1, "relearning": 2}
FACTOR = 2500
LONGEST_MS = 2**31 - 1


class Progress(Protocol):
    """The store, as far as an export needs it."""

    @property
    def settings(self) -> Settings: ...
    def cards(self) -> Mapping[str, CardState]: ...
    def events(self) -> Iterable[LogEvent]: ...


def write_progress(connection: sqlite3.Connection, store: Progress, ids: Mapping[str, int], now: datetime) -> None:
    """Set the state of every card that was ever answered, and its reviews; `ids` are Anki's card ids by question, or by the card
    of another kind."""
    settings = store.settings
    today = study_day(now, settings)
    conf = json.loads(connection.execute("SELECT conf FROM col").fetchone()[0])
    created = day_start(today - DAYS_SINCE_CREATION, settings)
    conf |= {
        "schedVer": 2,  # else Anki takes the log for one of its first scheduler
        "rollover": settings.rollover_hour,
        "creationOffset": -int((created.utcoffset() or timedelta()).total_seconds() // 60),  # minutes west, on that day
    }
    connection.execute("UPDATE col SET crt = ?, conf = ?", (seconds(created), json.dumps(conf)))
    scheduler = Scheduler(settings)
    by_card = {name if "#" in name else str(CardId(name, RECALL)): number for name, number in ids.items()}
    for card, state in store.cards().items():
        if card in by_card:
            _card(connection, by_card[card], state, today, scheduler, now)
    _log(connection, active_events(store.events()), by_card, scheduler)


def _card(
    connection: sqlite3.Connection, number: int, state: CardState, today: int, scheduler: Scheduler, now: datetime
) -> None:
    kind = TYPES[state.state]
    if kind == NEW:
        if state.suspended:
            connection.execute("UPDATE cards SET queue = ? WHERE id = ?", (SUSPENDED, number))
        return
    config = scheduler.config(now)
    memory: dict[str, float | int] = {"dr": config.desired_retention, "decay": round(config.parameters[-1], 4)}
    if state.stability is not None and state.difficulty is not None:
        memory |= {"s": round(state.stability, 4), "d": round(state.difficulty, 3)}
    if state.last_at is not None:
        memory["lrt"] = seconds(state.last_at)
    left = 0
    days = max(1, state.due_day - state.last_day) if state.due_day is not None and state.last_day is not None else 0
    if kind == REVIEW:
        due = DAYS_SINCE_CREATION + (state.due_day if state.due_day is not None else today) - today
    else:
        due = seconds(state.due_at or now)
        steps = config.relearning_steps_minutes if kind == RELEARNING else config.learning_steps_minutes
        left = max(1, len(steps) - (state.step or 0))
        days = 1 if kind == RELEARNING else 0
    connection.execute(
        "UPDATE cards SET type = ?, queue = ?, due = ?, ivl = ?, factor = ?, reps = ?, lapses = ?, left = ?, data = ?"
        " WHERE id = ?",
        (
            kind,
            SUSPENDED if state.suspended else QUEUES[kind],
            due,
            days,
            FACTOR if kind in (REVIEW, RELEARNING) else 0,
            state.reps,
            state.lapses,
            left,
            json.dumps(memory),
            number,
        ),
    )


def _log(
    connection: sqlite3.Connection, events: Iterable[LogEvent], by_card: Mapping[str, int], scheduler: Scheduler
) -> None:
    states: dict[str, CardState] = {}
    last: dict[str, int] = {}
    taken: set[int] = set()
    for event in events:
        if event.card not in by_card:
            continue
        before = states.get(event.card) or CardState(event.card)
        after = states[event.card] = scheduler.apply(before, event)
        if event.kind != "review":
            continue
        span = interval(before, after, event.at)
        gap = span.days if after.due_day is not None else -math.ceil(span.total_seconds())
        at = int(event.at.timestamp() * 1000)
        while at in taken:
            at += 1
        taken.add(at)
        connection.execute(
            "INSERT INTO revlog VALUES (?, ?, -1, ?, ?, ?, ?, ?, ?)",
            (
                at,
                by_card[event.card],
                int(event.rating or 0),
                gap,
                last.get(event.card, 0),
                FACTOR if after.due_day is not None else 0,
                min(LONGEST_MS, int(event.seconds * 1000)),
                LOG_TYPES[before.state],
            ),
        )
        last[event.card] = gap


def seconds(at: datetime) -> int:
    """Whole seconds since 1970, the unit of Anki's times."""
    return int(at.timestamp())
