"""How much of what a demo shows is drawn."""

import time

import pytest

from studyapp.evidence.limits import BARS, COLUMNS, CURVES, LETTERS, POINTS, ROWS, SIDE, limited
from studyapp.evidence.types import Bars, Evidence, Heatmap, Lines, Table
from studyapp.render.chart_svg import picture
from studyapp.render.chart_text import chart

HUGE: list[Evidence] = [
    Lines("x", tuple(range(50_000)), {"y": tuple(range(50_000))}, "", "t"),
    Lines("x" * 10**6, (1, 2), {f"{i}" * 1000: (i, i) for i in range(1000)}, "", "t", "y" * 10**6),
    Bars(tuple(map(str, range(5000))), {"y": tuple(range(5000))}, "", "t"),
    Heatmap(tuple(tuple(i * j for j in range(600)) for i in range(600)), title="t", x=("n" * 10_000,) * 600),
    Table(("a" * 10**5,), tuple((i,) for i in range(50_000)), "t" * 10**6),
    Table(tuple(map(str, range(500))), (tuple(range(500)),), "t"),
]  # fmt: skip


@pytest.mark.parametrize("item", HUGE, ids=lambda item: type(item).__name__)
def test_nothing_that_a_demo_shows_keeps_the_app_from_answering(item: Evidence) -> None:
    """However much it is, what is left is drawn in a fraction of what all of it takes, and the title says that it is a part."""
    cut = limited(item)
    assert "… " in cut.title and " / " in cut.title
    begun = time.process_time()
    chart(cut, 80, 20)
    picture(cut)
    assert time.process_time() - begun < 5


def test_a_cut_keeps_the_shape() -> None:
    """Of points and cells every so many stays, of curves, bars, rows and columns the first."""
    curve = limited(HUGE[0])
    assert isinstance(curve, Lines) and len(curve.x) == len(curve.series["y"]) <= POINTS and curve.x[-1] > 49_900  # type: ignore[operator]
    curves, bars, heat, rows, columns = (limited(item) for item in HUGE[1:])
    assert isinstance(curves, Lines) and len(curves.series) == CURVES and all(len(name) <= LETTERS for name in curves.series)
    assert isinstance(bars, Bars) and len(bars.labels) == len(bars.series["y"]) == BARS
    assert isinstance(heat, Heatmap) and len(heat.values) == len(heat.values[0]) == len(heat.x) == SIDE
    assert heat.values[-1][-1] == 597 * 597
    assert isinstance(rows, Table) and len(rows.rows) == ROWS
    assert isinstance(columns, Table) and len(columns.columns) == len(columns.rows[0]) == COLUMNS


def test_what_a_screen_holds_is_left_as_it_is() -> None:
    """Evidence of the usual size is not touched."""
    for item in (Lines("x", (1, 2), {"y": (1, 2)}, "x", "t", "u"), Bars(("a",), {"y": (1,)}), Heatmap(((1.0,),)), Table(("a",), ((1,),))):
        assert limited(item) == item
