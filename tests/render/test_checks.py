"""What a set of checks comes to in a line."""

from studyapp.evidence.types import Check
from studyapp.i18n import Translations
from studyapp.render.checks import checks_summary

T = Translations.load("en")


def check(got: float, within: float, relation: str = "equals", want: float = 1.0, margin: float | None = None) -> Check:
    room = within - abs(got - want) if margin is None else margin
    return Check("x", relation, got, want, within, room, True)


def test_the_check_that_came_closest_is_told_with_its_numbers() -> None:
    """Of several the one that used up most of its room, whatever its unit."""
    assert checks_summary([check(1.1, 0.2), check(1.0009, 0.001)], T) == "2 checks hold, closest 1.001 for 1 ± 0.001"


def test_a_bound_counts_its_room_from_the_bound() -> None:
    """0.56 that should be at least 0.5 came closer than 3 that should be at least 1."""
    checks = [check(3.0, 0, "at_least", 1.0, 2.0), check(0.56, 0, "at_least", 0.5, 0.06)]
    assert checks_summary(checks, T) == "2 checks hold, closest 0.56 for at least 0.5"


def test_rounding_and_exact_checks_have_no_closest() -> None:
    """A difference of 1e-16 where 1e-12 is allowed, and a count that must be equal, are not worth a number."""
    assert checks_summary([check(1e-16, 1e-12, want=0.0), check(1.0, 0.0)], T) == "2 checks hold"
    assert checks_summary([check(1.0, 0.0)], T) == "1 check holds"
