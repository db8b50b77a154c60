"""What a set of checks comes to in a few words."""

from collections.abc import Sequence

from studyapp.evidence.types import Check, format_cell
from studyapp.i18n import Translations

WIDE_OPEN = 0.9
"""A check that has more of its room left than this came close to nothing: rounding, mostly."""


def checks_summary(holding: Sequence[Check], t: Translations) -> str:
    """How many hold, and the one that came closest to its edge: «6 checks hold, closest 1.03 for 1 ± 0.2»."""
    closest = thinnest(holding)
    if closest is None:
        return t.count("checks.hold", len(holding))
    slack = f" ± {format_cell(closest.within)}" if closest.within else ""
    want = t(f"evidence.check_{closest.relation}", want=f"{format_cell(closest.want)}{slack}")
    return t.count("checks.hold_worst", len(holding), got=format_cell(closest.got), want=want)


def thinnest(checks: Sequence[Check]) -> Check | None:
    """The check that came closest to breaking, of those that used up some of their room."""
    close = [(share, c) for c in checks if (share := _room_left(c)) is not None]
    return min(close, key=lambda pair: pair[0])[1] if close else None


def _room_left(check: Check) -> float | None:
    """How much of the room given is left, in the unit of the tolerance, or of the bound where there is none."""
    room, left = check.within or check.want, check.margin
    if isinstance(room, bool) or not isinstance(room, int | float) or not isinstance(left, int | float) or not room:
        return None
    if check.relation == "equals" and not check.within:
        return None
    share = abs(left / room)
    return share if share < WIDE_OPEN else None
