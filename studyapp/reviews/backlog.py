"""How long a backlog takes: when no more is due on a day than the day's limit."""

from collections.abc import Iterable, Sequence

import numpy as np

from studyapp.reviews.cards import CardState
from studyapp.reviews.course import UNLIMITED, ByDueDate, Cards, Costs, simulate
from studyapp.reviews.memory import Memory

HORIZON = 180
LEARNERS = 4


def days_to_finish(
    states: Iterable[CardState], parameters: Sequence[float], retention: float, limit: int, today: int
) -> int | None:
    """After how many study days fewer cards are due than the limit, with nothing new learnt meanwhile; None where never within `HORIZON`.

    Cards come back while it is worked off, so this simulates the days rather than dividing.
    """
    known = [s for s in states if s.stability is not None and s.last_day is not None and s.due_day is not None and not s.suspended]
    if not known or limit < 1:
        return None if limit < 1 and known else 0
    memory = Memory(parameters)
    course = simulate(
        Cards.of(known, [1.0] * len(known)), memory, memory, ByDueDate(retention, new=0, due=limit),
        days=HORIZON, minutes=UNLIMITED, costs=Costs(), learners=LEARNERS, today=today,
    )  # fmt: skip
    below = np.flatnonzero(course.reviews < limit)
    return int(below[0]) if len(below) else None
