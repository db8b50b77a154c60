"""The plan for the learner's interview, from their settings, bank and reviews: for both faces."""

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date

from studyapp.context import AppContext
from studyapp.errors import CallError
from studyapp.reviews.cards import CardState
from studyapp.reviews.course import ByDueDate, never
from studyapp.reviews.plan import (
    MOST_DAYS,
    Goal,
    Learner,
    Outlook,
    Plan,
    RetentionCost,
    Wanted,
    first_ratings,
    make_plan,
    pace,
    retention_costs,
)
from studyapp.reviews.sessions import Session
from studyapp.reviews.stats import date_of, day_of

WEIGHTS = {"core": 5.0, "deep": 1.0, "frontier": 1.0}
"""How much it counts that a question of a level is recalled on the day."""


@dataclass(frozen=True)
class Interview:
    """What is planned for: the day, the minutes of study a day, and the topics with their weights; none are all, alike."""

    on: date
    minutes: float
    topics: Mapping[str, float]


def interview(
    context: AppContext, on: date | None = None, minutes: float | None = None, topics: Mapping[str, float] | None = None
) -> Interview:
    """What is planned for: what is given, and else what the settings say.

    Raises:
        CallError: where no date is set, the day is not ahead or too far ahead, or a topic is not known.
    """
    settings, t = context.settings, context.t
    day = on or settings.interview_date
    if day is None:
        raise CallError(t("plan.no_date"), t("plan.no_date_hint"))
    chosen = dict(settings.interview_topics if topics is None else topics)
    context.require_scheduled(chosen)
    left = day_of(day) - context.today()
    if left <= 0:
        raise CallError(t("plan.over" if left else "plan.is_today", date=day), t("plan.over_hint"))
    if left > MOST_DAYS:
        raise CallError(t("plan.too_far", date=day, most=MOST_DAYS), t("plan.over_hint"))
    return Interview(day, float(settings.interview_minutes if minutes is None else minutes), chosen)


def wanted(context: AppContext, goal: Interview) -> list[Wanted]:
    """The cards that the plan is about, in the order in which new ones come: of recall, those put away left out."""
    cards = context.cards()
    found = []
    for question in context.in_new_order():
        state = cards.get(question.card_id, CardState(question.card_id))
        if state.suspended or (goal.topics and question.topic not in goal.topics):
            continue
        weight = WEIGHTS[question.level] * goal.topics.get(question.topic, 1.0)
        found.append(Wanted(state, question.topic, question.level == "core", weight))
    return found


@dataclass(frozen=True)
class Prepared:
    """All that a plan is made of, read from the reviews, so that the making, which takes seconds, may run in a thread.

    `stamp` differs once anything of it does.
    """

    cards: Sequence[Wanted]
    goal: Goal
    learner: Learner
    today: int
    spent: float
    stamp: tuple[object, ...]

    def plan(self, stopped: Callable[[], bool] = never) -> Plan:
        """Make it, unless it is `stopped`: then StoppedError is raised."""
        return make_plan(self.cards, self.goal, self.learner, self.today, spent=self.spent, stopped=stopped)


def prepared(context: AppContext, goal: Interview) -> Prepared:
    """What the plan for a goal is made of.

    Raises:
        CallError: where there is no card to plan.
    """
    store, today = context.store, context.today()
    cards = wanted(context, goal)
    if not cards:
        raise CallError(context.t("plan.no_cards"), context.t("plan.no_cards_hint"))
    aim = Goal(day_of(goal.on), goal.minutes)
    stamp = (aim, tuple(goal.topics.items()), today, store.last_seq(), context.settings)
    return Prepared(cards, aim, learner(context), today, store.seconds_on(today) / 60, stamp)


def learner(context: AppContext) -> Learner:
    """What the settings and the log say of who learns."""
    settings, store = context.settings, context.store
    return Learner(
        store.scheduler.parameters,
        pace(*store.pace()),
        first_ratings(store.first_ratings()),
        ByDueDate(settings.desired_retention, settings.new_per_day, settings.reviews_per_day),
    )


async def made(context: AppContext, goal: Interview) -> Plan:
    """The plan from today on, with what was done today already counted: made in a thread, once until something changes.

    The thread ends with whoever waits for it, so that leaving the app, or asking for another plan, need not wait for it.

    Raises:
        CallError: where there is no card to plan.
    """
    ready = prepared(context, goal)
    if context.planned is None or context.planned[0] != ready.stamp:
        unwanted = threading.Event()
        try:
            context.planned = ready.stamp, await asyncio.to_thread(ready.plan, unwanted.is_set)
        finally:
            unwanted.set()
    return context.planned[1]


def session(context: AppContext, plan: Plan) -> Session:
    """A sitting over what a plan asks today; learning cards of any topic come in between."""
    from studyapp.reviews.study import PlannedSession

    order = [card for question in context.in_new_order() for card in context.cards_of(question)]
    return PlannedSession(context.store, [*plan.due, *plan.new], order, context.clock(), plan.today)


def as_dict(context: AppContext, goal: Interview, plan: Plan) -> dict[str, object]:
    """A plan for JSON."""
    return {
        "date": goal.on.isoformat(),
        "days_left": plan.days_left,
        "minutes_a_day": goal.minutes,
        "topics_wanted": dict(goal.topics),
        "policy": {"retention": plan.policy.retention, "last_days": plan.policy.last_days},
        "today": {"due": list(plan.due), "new": list(plan.new), "minutes": round(plan.days[0].minutes, 1)},
        "core": _rounded(plan.core),
        "all": _rounded(plan.all),
        "topics": {topic: _rounded(outlook) for topic, outlook in plan.topics.items()},
        "core_learnt_of": plan.covered,
        "minutes_needed": plan.needed,
        "days": [
            {
                "date": date_of(day.day).isoformat(),
                "new": round(day.new, 1),
                "reviews": round(day.reviews, 1),
                "minutes": round(day.minutes, 1),
                "asked_at": None if day.asked_at is None else round(day.asked_at, 3),
            }
            for day in plan.days
        ],
    }


def _rounded(outlook: Outlook) -> dict[str, float]:
    """An outlook for JSON, its shares to three places."""
    return {name: round(value, 3) for name, value in asdict(outlook).items()}


def costs_of_retention(context: AppContext) -> list[RetentionCost]:
    """What each of some desired retentions would cost the learner, of all kinds of cards that are scheduled.

    Raises:
        CallError: where there is no card.
    """
    cards = context.cards()
    ids = [card for question in context.in_new_order() for card in context.cards_of(question)]
    states = [state for card in ids if not (state := cards.get(card, CardState(card))).suspended]
    if not states:
        raise CallError(context.t("plan.no_cards"), context.t("plan.no_cards_hint"))
    return retention_costs(states, learner(context), context.today())
