"""The plan for the learner's interview, from their settings, bank and reviews: for both faces."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date

from studyapp.context import AppContext
from studyapp.errors import CallError
from studyapp.reviews.cards import EPOCH_ORDINAL, CardState
from studyapp.reviews.course import ByDueDate, simulate
from studyapp.reviews.memory import Memory
from studyapp.reviews.plan import (
    MOST_DAYS,
    Goal,
    Learner,
    Outlook,
    Plan,
    Wanted,
    cards_of,
    first_ratings,
    make_plan,
    pace,
)
from studyapp.reviews.sessions import Session
from studyapp.reviews.stats import date_of

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
    known = [topic.id for topic in context.topics() if context.scheduled(topic.id)]
    for name in chosen:
        if name not in known:
            hint = context.did_you_mean(name, known) or t("plan.topics_are", names=", ".join(known))
            raise CallError(t("plan.no_topic", name=name), hint)
    left = day.toordinal() - EPOCH_ORDINAL - context.today()
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

    def plan(self) -> Plan:
        """Make it."""
        return make_plan(self.cards, self.goal, self.learner, self.today, spent=self.spent)


def prepared(context: AppContext, goal: Interview) -> Prepared:
    """What the plan for a goal is made of.

    Raises:
        CallError: where there is no card to plan.
    """
    settings, store, today = context.settings, context.store, context.today()
    cards = wanted(context, goal)
    if not cards:
        raise CallError(context.t("plan.no_cards"), context.t("plan.no_cards_hint"))
    learner = Learner(
        store.scheduler.parameters,
        pace(*store.pace()),
        first_ratings(store.first_ratings()),
        ByDueDate(settings.desired_retention, settings.new_per_day, settings.reviews_per_day),
    )
    aim = Goal(goal.on.toordinal() - EPOCH_ORDINAL, goal.minutes)
    stamp = (aim, tuple(goal.topics.items()), today, store.last_seq(), settings)
    return Prepared(cards, aim, learner, today, store.seconds_on(today) / 60, stamp)


async def made(context: AppContext, goal: Interview) -> Plan:
    """The plan from today on, with what was done today already counted: made in a thread, once until something changes.

    Raises:
        CallError: where there is no card to plan.
    """
    ready = prepared(context, goal)
    if context.planned is None or context.planned[0] != ready.stamp:
        context.planned = ready.stamp, await asyncio.to_thread(ready.plan)
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


@dataclass(frozen=True)
class RetentionCost:
    """What a desired retention costs over a half-year: minutes a day, and how many cards are known at its end.

    `known` is the sum of the chances of recall, `recall` their mean over the cards learnt.
    """

    retention: float
    minutes: float
    known: float
    recall: float


RETENTIONS = (0.7, 0.75, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97)
SIMULATED_DAYS, SIMULATED_LEARNERS = 180, 8
UNLIMITED = 1e9


def retention_costs(context: AppContext) -> list[RetentionCost]:
    """For each of some retentions what it costs the learner, from their cards, pace, weights and limits.

    Raises:
        CallError: where there is no card.
    """
    settings, store, today = context.settings, context.store, context.today()
    states = context.cards()
    cards = [
        Wanted(states.get(card, CardState(card)), question.topic, question.level == "core", 1.0)
        for question in context.in_new_order()
        for card in context.cards_of(question)
        if not states.get(card, CardState(card)).suspended
    ]
    if not cards:
        raise CallError(context.t("plan.no_cards"), context.t("plan.no_cards_hint"))
    memory, costs, ratings = Memory(store.scheduler.parameters), pace(*store.pace()), first_ratings(store.first_ratings())
    found = []
    for kept in RETENTIONS:
        course = simulate(
            cards_of(cards), memory, memory, ByDueDate(kept, settings.new_per_day, settings.reviews_per_day),
            days=SIMULATED_DAYS, minutes=UNLIMITED, costs=costs, first_ratings=ratings, learners=SIMULATED_LEARNERS, today=today,
        )  # fmt: skip
        known = float(course.recall.sum(1).mean())
        found.append(RetentionCost(kept, float(course.minutes.mean()), known, known / max(1.0, float(course.met.sum(1).mean()))))
    return found
