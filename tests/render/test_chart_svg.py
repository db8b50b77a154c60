"""Evidence as pictures for exports."""

import math
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings

from studyapp.evidence.types import Bars, Evidence, Heatmap, Lines, Table
from studyapp.render.chart_svg import picture
from studyapp.render.chart_svg.canvas import COLOURS, WIDTH, text_width
from studyapp.render.chart_svg.heatmaps import UNKNOWN, shades

from .test_any_evidence import evidence

CURVES = Lines("宽度 d", (16, 64, 256), {"方差": (1.0, "inf", 4.0), "raw": (16.0, 64.0, 256.0)}, "xy", "方差")
BARS = Bars(("注意力", "MLP"), {"a": (1.0, 1000.0), "b": (10.0, "nan")}, "y", "成本")
HEAT = Heatmap(((0.0, 1.0), (0.5, "nan")), "k", "q", ("一", "二"), ("甲", "b"), "图")
SVG = "{http://www.w3.org/2000/svg}"


def drawn(item: Evidence) -> ElementTree.Element:
    """The picture as it is read by whoever shows it."""
    content = picture(item)
    assert content is not None
    return ElementTree.fromstring(content)


def texts(item: Evidence) -> list[str]:
    return [element.text or "" for element in drawn(item).iter(f"{SVG}text")]


@pytest.mark.parametrize("item", [CURVES, BARS, HEAT])
def test_the_same_evidence_gives_the_same_bytes(item: Evidence) -> None:
    """So a second export changes nothing."""
    assert picture(item) == picture(item)


def test_tables_and_empty_charts_have_no_picture() -> None:
    """They are exported as text, or there is nothing to see."""
    nothing = (Table(("a",), ((1,),)), Heatmap(((),)), Bars((), {}), Lines("x", (1, 2), {"y": ("nan", None)}))
    assert [picture(item) for item in nothing] == [None] * 4


def test_axes_are_labelled_with_numbers_a_person_reads() -> None:
    """Powers as numbers, bytes in binary units, and every name that the evidence has."""
    assert {"16", "64", "256", "raw", "方差", "宽度 d (log)"} <= set(texts(CURVES))
    assert {"注意力", "MLP", "a", "b", "1000", "nan", "成本"} <= set(texts(BARS))
    assert {"2 MiB", "1 MiB"} <= set(texts(Bars(("a", "b"), {"bytes": (2**21, 2**20)})))
    assert {"图", "一", "二", "甲", "b", "↓ q · → k", "nan"} <= set(texts(HEAT))


def test_a_curve_breaks_where_it_has_no_number() -> None:
    """Three points with one that is no number are two marks and no line; without it they are joined."""
    colour = COLOURS[0]

    def lines(values: tuple[object, ...]) -> int:
        paths = drawn(Lines("x", (1, 2, 3), {"y": values})).iter(f"{SVG}path")  # type: ignore[dict-item]
        return sum("L" in p.get("d", "") and p.get("stroke") == colour and p.get("fill") == "none" for p in paths)

    assert (lines((1.0, "inf", 4.0)), lines((1.0, 2.0, 4.0))) == (0, 1)


def test_series_differ_without_colour() -> None:
    """Eight curves have eight marks: in shape, or in being hollow."""
    paths = list(drawn(Lines("x", (1,), {str(i): (float(i),) for i in range(8)})).iter(f"{SVG}path"))
    marks = {
        (re.sub(r"M[\d. ]+", "", p.get("d", "")), p.get("fill") == "#fff") for p in paths if p.get("stroke-width") == "1.5"
    }
    assert len(marks) == 8


def test_zero_is_white_where_values_have_both_signs() -> None:
    """A signed heatmap is white at zero, red above and blue below, as far either way; one of a single sign has no white."""
    colours = shades([-1.0, 0.0, 0.5])
    assert min(bytes.fromhex(colours.of(0.0)[1:])) > 240
    high, low = (bytes.fromhex(colours.of(v)[1:]) for v in (1.0, -1.0))
    assert high[0] > 2 * high[2] and low[2] > 2 * low[0]
    one = shades([0.2, 0.5, 1.0])
    assert all(min(bytes.fromhex(one.of(v)[1:])) < 200 for v in (0.2, 0.5, 1.0))
    assert UNKNOWN in {p.get("fill") for p in drawn(HEAT).iter(f"{SVG}path")}


def test_a_bar_is_as_long_as_its_number() -> None:
    """Twice the number is twice the length, and a negative one goes the other way."""
    rects = [r for r in drawn(Bars(("a", "b", "c"), {"": (1.0, 2.0, -1.0)})).iter(f"{SVG}rect") if r.get("fill") == COLOURS[0]]
    one, two, back = ((float(r.get("x", "")), float(r.get("width", ""))) for r in rects)
    assert math.isclose(two[1], 2 * one[1], abs_tol=0.2) and one[0] == two[0]
    assert math.isclose(back[0] + back[1], one[0], abs_tol=0.2) and math.isclose(back[1], one[1], abs_tol=0.2)


def test_a_label_is_text_and_nothing_else() -> None:
    """Markup, control characters and halves of characters in a label neither act nor spoil the file."""
    name = "<script>x</script> & \x1b[31m \x00 \ud800"
    root = drawn(Bars((name,), {"a": (1,)}, "", name, name))
    assert {element.tag for element in root.iter()} <= {f"{SVG}{t}" for t in ("svg", "title", "rect", "text", "path", "g")}
    assert "<script>x</script> &" in " ".join(e.text or "" for e in root.iter(f"{SVG}text"))


@settings(max_examples=80, deadline=None)
@given(evidence())
def test_nothing_lies_outside_the_picture(item: Evidence) -> None:
    """However long its labels and whatever its numbers, each text begins and ends inside, and every number is one."""
    content = picture(item)
    if content is None:
        return
    root = ElementTree.fromstring(content)
    height = float(root.get("height", ""))
    assert not re.search(rb'"[^"]*\b(nan|inf)\b[^"]*"', re.sub(rb"<text.*?</text>|<title>.*?</title>", b"", content))
    for element in root.iter(f"{SVG}text"):
        x, y = float(element.get("x", "")), float(element.get("y", ""))
        wide = text_width(element.text or "", int(element.get("font-size", "")))
        assert 0 < y <= height
        if "transform" in element.attrib:
            wide *= math.cos(math.radians(35))
        start = x - wide * {"start": 0, "middle": 0.5, "end": 1}[element.get("text-anchor", "")]
        assert start >= -1 and start + wide <= WIDTH + 1, element.text


@pytest.mark.parametrize("values", [(1e308, -1e308), (5e-324, 1e-300), (1.7e308, 1.6e308), (0.0, 0.0)])
@pytest.mark.parametrize("log", ["", "y"])
def test_the_largest_and_least_of_numbers_can_be_drawn(values: tuple[float, float], log: str) -> None:
    """No number that a demo may show overflows on its way to a pixel."""
    for item in (Lines("x", values, {"y": values}, log), Bars(("a", "b"), {"y": values}, log), Heatmap((values,))):
        content = picture(item)
        assert content is None or not re.search(rb'"[^"]*\b(nan|inf)\b[^"]*"', content)
