"""A time as it stands on a rating button: «10m», «5d», «2.3mo»."""

from datetime import timedelta

from studyapp.i18n import Translations

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
MONTH, YEAR = 30.4375 * DAY, 365.25 * DAY


def duration(words: Translations, span: timedelta) -> str:
    """`span` in one unit, coarse where it is long."""
    seconds = max(0.0, span.total_seconds())
    if seconds < MINUTE:
        return words("duration.seconds")
    if round(seconds / MINUTE) < 60:
        return words("duration.minutes", n=round(seconds / MINUTE))
    if round(seconds / HOUR) < 24:
        return words("duration.hours", n=round(seconds / HOUR))
    if seconds < MONTH:
        return words("duration.days", n=round(seconds / DAY))
    if seconds < YEAR:
        return words("duration.months", n=_short(seconds / MONTH))
    return words("duration.years", n=_short(seconds / YEAR))


def _short(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
