"""Moments as a person at the command line says and reads them."""

from datetime import UTC, date, datetime, timedelta

from studyapp.context import AppContext
from studyapp.errors import CallError

TOLERANCE = timedelta(minutes=5)
"""How far a time given may lie ahead of the clock: two clocks never quite agree."""


def instant(context: AppContext, text: str) -> datetime:
    """An aware UTC time from ISO 8601 that has passed; a time without a zone is local.

    Raises:
        CallError: where the text is no such time, or one that is still to come.
    """
    try:
        moment = datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise CallError(context.t("errors.not_a_time", given=repr(text)), context.t("errors.time_like_this")) from None
    if moment > context.clock() + TOLERANCE:
        raise CallError(context.t("errors.future", given=text), context.t("errors.future_hint"))
    return moment


def until(context: AppContext, due_day: int | None, due_at: datetime | None) -> str:
    """When a card comes back, as a span and as the learner's wall clock shows it: «in 10 minutes, 13:33».

    A card in review has a study day, counted from 1970-01-01; one in learning a moment.
    """
    t = context.t
    if due_day is not None:
        days = due_day - context.today()
        on = f"{date(1970, 1, 1) + timedelta(days=due_day):%Y-%m-%d}"
        if days < 1:
            return t("when.today")
        return t("when.tomorrow", date=on) if days == 1 else t("when.days", n=days, date=on)
    if due_at is None:
        return t("when.never")
    at, minutes = f"{context.local(due_at):%H:%M}", -(-(due_at - context.clock()) // timedelta(minutes=1))
    if minutes < 1:
        return t("when.now")
    if minutes < 60:
        return t("when.minute" if minutes == 1 else "when.minutes", n=minutes, at=at)
    hours = round(minutes / 60)
    return t("when.hour" if hours == 1 else "when.hours", n=hours, at=at)
