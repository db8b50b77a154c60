"""What a plan says in words, for the command line and for the app."""

from collections.abc import Sequence
from datetime import date
from statistics import fmean

from studyapp.i18n import Translations
from studyapp.render.figures import percent
from studyapp.reviews.plan import Outlook, Plan, PlannedDay
from studyapp.reviews.stats import date_of

MOST_ROWS = 21
"""Days that are told one by one; more are told by week."""


def headline(t: Translations, on: date, minutes: float, made: Plan) -> str:
    """When it is, and how much is studied until then."""
    return t.count("plan.head", made.days_left, date=on, minutes=f"{minutes:.0f}")


def today_line(t: Translations, made: Plan) -> str:
    """What is asked today."""
    if not made.new and not made.due:
        return t("plan.today_done")
    return t("plan.today", new=len(made.new), due=len(made.due), minutes=round(made.days[0].minutes))


def home_line(t: Translations, minutes: float, made: Plan) -> str:
    """The plan in a line."""
    of = t("plan.home_of_core" if made.core.cards else "plan.home_of_all")
    shares = {"percent": round(100 * made.aim.planned), "of": of, "minutes": f"{minutes:.0f}"}
    return t.count("plan.home", made.days_left, new=len(made.new), due=len(made.due), **shares)


def honesty(t: Translations, made: Plan) -> list[str]:
    """Whether the minutes suffice, and how many would."""
    if made.aim.met > 0.995:
        return [t("plan.enough")]
    needed = t("plan.never_enough") if made.needed is None else t("plan.needed", minutes=f"{made.needed:.0f}")
    return [f"{t('plan.enough_of', n=len(made.covered), of=len(made.topics))} · {needed}"]


def policy_line(t: Translations, made: Plan) -> str:
    """How the plan chooses."""
    if made.policy.last_days >= made.days_left:
        return t("plan.policy_all")
    return t.count("plan.policy", made.policy.last_days, last=made.policy.last_days, percent=round(100 * made.policy.retention))


def outlook_row(outlook: Outlook) -> list[str]:
    """Cards, how many will have been learnt, and the shares recalled now, with the plan, and without it."""
    return [str(outlook.cards), *(percent(share) for share in (outlook.met, outlook.now, outlook.planned, outlook.unplanned))]


def day_rows(made: Plan) -> list[list[str]]:
    """Date, new cards, reviews, minutes and the chance of recall at which cards come back: by day, or by week where there are many."""
    step = 1 if len(made.days) <= MOST_ROWS else 7
    return [_row(made.days[start : start + step]) for start in range(0, len(made.days), step)]


def _row(days: Sequence[PlannedDay]) -> list[str]:
    first, last = date_of(days[0].day), date_of(days[-1].day)
    when = f"{first:%m-%d}" if first == last else f"{first:%m-%d}…{last:%m-%d}"
    asked = [(day.asked_at, day.reviews) for day in days if day.asked_at is not None]
    reviews = sum(count for _, count in asked)
    at = percent(sum(share * count for share, count in asked) / reviews) if reviews else "–"
    minutes = fmean(day.minutes for day in days)
    return [when, f"{sum(day.new for day in days):.0f}", f"{sum(day.reviews for day in days):.0f}", f"{minutes:.0f}", at]
