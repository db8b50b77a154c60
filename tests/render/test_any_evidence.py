import re
from xml.etree import ElementTree

from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from studyapp.evidence.types import Bars, Evidence, Heatmap, Lines, Table
from studyapp.render.chart_svg import picture
from studyapp.render.chart_text import chart
from studyapp.render.html import evidence_html

NUMBERS = st.one_of(
    st.floats(-1e12, 1e12, allow_nan=False),
    st.integers(-(10**9), 10**9),
    st.sampled_from(["nan", "inf", "-inf", 0, 1e-300]),
)
CELLS = st.one_of(NUMBERS, st.none(), st.booleans(), st.sampled_from(["注意力", "a" * 90, "", "two\nlines"]))
NAMES = st.sampled_from(["", "a", "方差 σ²", "a rather long name of a curve " * 3, "[d_model]"])


@st.composite
def evidence(draw: st.DrawFn) -> Evidence:
    rows, columns = draw(st.integers(0, 12)), draw(st.integers(1, 9))
    kind = draw(st.sampled_from(["table", "lines", "bars", "heatmap"]))
    log, title = draw(st.sampled_from(["", "x", "y", "xy"])), draw(NAMES)

    def column(of: st.SearchStrategy[object]) -> tuple[object, ...]:
        return tuple(draw(st.lists(of, min_size=rows, max_size=rows)))

    series = {draw(NAMES) + str(i): column(CELLS) for i in range(columns)}
    if kind == "lines":
        return Lines(
            draw(NAMES), column(st.one_of(NUMBERS, st.sampled_from(["甲", "b"]))), series, log, title, draw(NAMES)
        )
    if kind == "bars":
        return Bars(column(NAMES), series, log, title, draw(NAMES))
    if kind == "heatmap":
        return Heatmap(tuple(series.values()), draw(NAMES), draw(NAMES), column(NAMES), (), title)
    return Table(tuple(series), tuple(zip(*series.values(), strict=True)), title)


@settings(max_examples=60, deadline=None)
@given(evidence(), st.integers(30, 120), st.integers(5, 30))
def test_any_evidence_can_be_drawn_within_its_width(item: Evidence, width: int, height: int) -> None:
    """Whatever a demo shows, the card has something to show and nothing runs over its edge."""
    drawn = chart(item, width, height)
    for row in drawn.splitlines():
        assert cell_len(re.sub(r"\x1b\[[0-9;]*m", "", row)) <= width
    assert evidence_html(item).startswith("<table")


@settings(max_examples=60, deadline=None)
@given(evidence())
def test_any_evidence_but_a_table_can_be_a_picture(item: Evidence) -> None:
    """However long its labels and whatever its numbers, there is a picture or nothing to draw, never an exception."""
    drawn = picture(item)
    assert drawn is None or ElementTree.fromstring(drawn).tag.endswith("svg")
