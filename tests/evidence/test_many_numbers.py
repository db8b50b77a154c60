"""Of many numbers the worst is told, as if each had been judged by itself."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from studyapp.evidence import expect
from studyapp.evidence.api import _judge, _number, listening
from studyapp.evidence.types import Check

FLOATS = st.floats(-10, 10).map(lambda x: round(x, 1))


class Kept:
    """Keeps what is checked."""

    def __init__(self) -> None:
        self.checks: list[Check] = []

    def checked(self, check: Check) -> None:
        self.checks.append(check)


@given(
    st.sampled_from(["equals", "at_least", "at_most"]),
    st.lists(st.tuples(FLOATS, FLOATS | st.integers(-9, 9), st.floats(0, 3) | st.integers(0, 2)), min_size=1, max_size=40),
)
def test_the_worst_of_many_is_the_worst_of_each(relation: str, rows: list[tuple[float, float, float]]) -> None:
    """Value, margin, place, and how many failed are those of judging one number after another."""
    gots, wants, slacks = zip(*rows, strict=True)
    each = [_judge("x", relation, g, w, s, ("i", i)) for i, (g, w, s) in enumerate(rows)]
    worst = min(each, key=lambda c: (c.held, _number(c.margin)))
    kept = Kept()
    with listening(kept):  # type: ignore[arg-type]
        expect("x", gots, **{relation: wants}, within=slacks, at=("i", range(len(rows))))
    assert kept.checks == [replace(worst, count=len(rows), failed=sum(not c.held for c in each))]
