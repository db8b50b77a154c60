"""What a table, curve, bar or heatmap tells at the width that it is given."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from studyapp.evidence.types import Bars, Heatmap, Lines, Table
from studyapp.render.chart_text import chart, table_text
from studyapp.render.chart_text.heatmaps import scale_of
from studyapp.render.chart_text.layout import MARKS, narrowest, wrapped
from studyapp.render.chart_text.ticks import axis

WORDS = st.lists(st.sampled_from(["the", "naive", "shifted", "softmax,", "注意力", "d_k", "peak", "bytes"]), min_size=1, max_size=6)
HEADS = st.lists(WORDS.map(" ".join), min_size=2, max_size=7, unique=True)


def bare(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def columns(rows: list[str], rule: str) -> list[str]:
    """The heads of a block, each put together again from its lines, by where the rule of the block has its dashes."""
    cells = [(m.start(), m.end()) for m in re.finditer("─+", rule)]
    return [" ".join(" ".join(by_cells(row, a, b).split()) for row in rows).strip() for a, b in cells]


def by_cells(row: str, start: int, end: int) -> str:
    """What stands from one cell to another."""
    out, at = "", 0
    for letter in row:
        if start <= at < end:
            out += letter
        at += cell_len(letter)
    return out


def blocks(drawn: str) -> list[tuple[list[str], str, list[str]]]:
    """Head lines, rule and body of each part of a table."""
    parts = []
    for block in drawn.split("\n\n"):
        lines = block.splitlines()
        at = next(i for i, line in enumerate(lines) if line.startswith("─"))
        parts.append((lines[:at], lines[at], lines[at + 1 :]))
    return parts


@settings(deadline=None, max_examples=80)
@given(HEADS, st.integers(36, 120))
def test_no_head_of_a_table_is_cut_where_its_words_fit(heads: list[str], width: int) -> None:
    """Heads wrap, and columns that have no room go below: every head can be read whole, so no two are alike."""
    table = Table(tuple(heads), (tuple(range(len(heads))),))
    drawn = table_text(table, width)
    assert "…" not in drawn
    told = [head for rows, rule, _ in blocks(drawn) for head in columns(rows, rule)]
    assert {h.replace(" ", "") for h in told} == {h.replace(" ", "") for h in heads}
    assert all(cell_len(row) <= width for row in drawn.splitlines())


@settings(deadline=None, max_examples=80)
@given(st.lists(WORDS.map(" ".join), min_size=1, max_size=5), st.integers(1, 5), st.integers(40, 90))
def test_the_first_column_is_never_cut(names: list[str], others: int, width: int) -> None:
    """What tells the rows apart stands whole beside every part of the table."""
    table = Table(("name", *map(str, range(others))), tuple((n, *[123456.5] * others) for n in names))
    for _, rule, body in blocks(table_text(table, width)):
        side = len(rule.split(" ")[0])
        told = " ".join(by_cells(row, 0, side) for row in body)
        assert "".join(told.split()) == "".join("".join(names).split())


def test_a_table_gives_up_lines_before_gaps_and_gaps_before_columns() -> None:
    """First heads wrap, then columns move together, then the last ones go below with the first column beside them."""
    table = Table(("kind", "one long head", "another long head"), (("a", 1, 2),))
    rules = {w: [r for _, r, _ in blocks(table_text(table, w))] for w in (38, 26, 22, 16)}
    assert [len(r) for r in rules.values()] == [1, 1, 1, 2]
    assert "  " in rules[26][0] and "  " not in rules[22][0]


def test_two_heads_that_must_be_cut_stay_different() -> None:
    """Where a single word is wider than the table, what is left shows where the heads differ."""
    table = Table(("k", "x" * 60 + "a", "x" * 60 + "b"), ((1, 2, 3),))
    heads = [head for rows, rule, _ in blocks(table_text(table, 14)) for head in columns(rows, rule)]
    assert len(set(heads)) == 3


def test_a_column_of_long_numbers_has_prefixes_and_bytes_have_binary_units() -> None:
    """FLOPs read as 8.053 G, bytes as 2 MiB, and nothing as 6.554e+04."""
    drawn = table_text(Table(("n", "FLOPs", "peak bytes", "elements"), ((512, 8053063680, 2097152, 65536),)), 80)
    assert {"8.053 G", "2 MiB", "65,536"} <= set(re.split(r"  +", drawn.splitlines()[-1]))


@settings(deadline=None)
@given(st.text(st.sampled_from("ab 注意，."), max_size=60), st.integers(1, 4))
def test_the_narrowest_width_is_enough_and_one_less_is_not(text: str, lines: int) -> None:
    """A head gets no more room than it needs, and no less."""
    width = narrowest(text, lines)
    assert len(wrapped(text, max(1, width))) <= lines or not text.strip()
    if lines > 1 and width > 2 and max(map(cell_len, re.findall(r"\S+", text)), default=0) < width:
        assert len(wrapped(text, width - 1)) > lines or any("…" in line for line in wrapped(text, width - 1)) or width <= 3


def test_equal_curves_are_both_seen_and_said() -> None:
    """Two curves with the same values take turns with their marks, and the legend says that they are one."""
    xs = tuple(range(1, 6))
    drawn = bare(chart(Lines("n", xs, {"formula": xs, "counted": xs, "other": (5, 4, 3, 2, 1)}), 60, 14))
    assert f"{MARKS[1]} counted (= {MARKS[0]})" in drawn
    canvas = drawn.split("\n", 1)[1]
    assert canvas.count(MARKS[0]) >= 2 and canvas.count(MARKS[1]) >= 2 and canvas.count(MARKS[2]) >= 4


def test_every_curve_has_its_mark_without_colour() -> None:
    """Curves are told apart by marks; a single curve needs none."""
    two = chart(Lines("n", (1, 2, 3), {"a": (1, 2, 3), "b": (3, 2, 2)}), 60, 14, colour=False)
    one = chart(Lines("n", (1, 2, 3), {"a": (1, 2, 3)}), 60, 14, colour=False)
    assert all(two.split("\n", 1)[1].count(m) >= 2 for m in MARKS[:2])
    assert MARKS[0] not in one and "\x1b" not in two


@settings(deadline=None)
@given(
    st.lists(st.floats(-1e6, 1e6).map(lambda v: round(v, 3)), min_size=2, max_size=30),
    st.integers(2, 6), st.booleans(), st.booleans(),
)  # fmt: skip
def test_ticks_are_round_and_few(values: list[float], most: int, log: bool, grow: bool) -> None:
    """At most so many ticks, at 1, 2 or 5 times a power of ten, at powers, or at the values themselves; in order, on the axis."""
    values = [abs(v) + 0.001 for v in values] if log else values
    drawn = axis(values, log, most, grow=grow)
    assert 1 <= len(drawn.ticks) <= max(2, most)
    assert list(drawn.ticks) == sorted(drawn.ticks) and drawn.low < drawn.high
    slack = 1e-9 * max(1, abs(drawn.low), abs(drawn.high))
    assert all(drawn.low - slack <= t <= drawn.high + slack for t in drawn.ticks)
    if not log and len(drawn.ticks) > 2 and (grow or len(set(values)) > most):
        step = drawn.ticks[1] - drawn.ticks[0]
        assert re.match(r"[125](\.0*)?e", f"{step:.6e}") or re.match(r"(1|2|5)\.000000e", f"{step:.6e}")


@pytest.mark.parametrize(
    ("values", "log", "most", "labels"),
    [
        ((0.027, 0.3, 0.6, 0.97), False, 3, ("0", "0.5", "1")),
        ((1.9e-16, 0.99, 1e-3, 1e-9), True, 4, ("1e-12", "1e-8", "1e-4")),
        ((128, 512, 2048, 8192, 32768), True, 5, ("128", "512", "2048", "8192", "32,768")),
        ((130, 500, 30000), True, 4, ("1000", "10 k")),
        ((3e9, 1.2e10, 9e9, 4e9), False, 4, ("0", "5 G", "10 G", "15 G")),
    ],
)
def test_ticks_read_as_one_would_write_them(
    values: tuple[float, ...], log: bool, most: int, labels: tuple[str, ...]
) -> None:
    """Never 0.973 or 129.2: the ends of the data are not where an axis is labelled."""
    assert axis(values, log, most, grow=True).labels == labels


def test_a_tick_stands_under_its_place_with_chinese_names_too() -> None:
    """Names of an axis are placed by cells, and all of them are there."""
    rows = bare(chart(Lines("种类", ("注意力", "前馈", "归一化"), {"a": (1, 2, 3)}), 60, 12)).splitlines()
    at = next(i for i, row in enumerate(rows) if "└" in row)
    assert rows[at + 1].split() == ["注意力", "前馈", "归一化"]


@pytest.mark.parametrize("kind", ["bars", "lines"])
def test_a_lone_series_is_named_once(kind: str) -> None:
    """Where label, title and series have one name it is said once, and no mark stands for the only series."""
    if kind == "bars":
        drawn = chart(Bars(("a", "b"), {"nats": (1, 2)}, title="nats", y_label="nats"), 60, 12)
    else:
        drawn = chart(Lines("n", (1, 2), {"nats": (1, 2)}, title="nats", y_label="nats"), 60, 12)
    assert bare(drawn).count("nats") == 1 and MARKS[0] not in drawn


def test_bars_of_several_series_are_told_apart_without_colour() -> None:
    """Each bar begins with the mark of its series."""
    drawn = chart(Bars(("x", "y"), {"a": (1, 2), "b": (2, 1)}), 50, 10, colour=False).splitlines()
    assert [row.strip().split()[-2][0] if " " in row.strip() else "" for row in drawn[1:]] == ["●", "■", "●", "■"]


def test_bars_say_that_their_scale_is_logarithmic_and_hatch_what_is_negative() -> None:
    """The length of a bar can be trusted: linear unless the label says otherwise, and below zero is seen."""
    log = chart(Bars(("a", "b"), {"": (1, 1e6)}, log="y", y_label="FLOPs"), 60, 10, colour=False)
    assert "FLOPs (log)" in log
    signed = chart(Bars(("a", "b"), {"": (-4, 4)}), 60, 10, colour=False).splitlines()
    assert "▒" in signed[0] and "█" not in signed[0] and "█" in signed[1]


def test_the_labels_of_bars_are_whole_where_there_is_room() -> None:
    """A long label takes room from the bars before it is cut."""
    drawn = chart(Bars(("with one k^R for all heads", "latent alone"), {"": (40, 32)}), 60, 10)
    assert "with one k^R for all heads" in drawn


VALUES = st.sampled_from([0, 0.0, 1, 2, 3, 1e-9, -1e-9, -1, -2.5, 0.5, 7, "nan"])
MAPS = st.lists(st.lists(VALUES, min_size=1, max_size=12), min_size=1, max_size=6)


@settings(deadline=None)
@given(MAPS.filter(lambda rows: len({len(r) for r in rows}) == 1))
def test_a_cell_of_a_heatmap_is_blank_just_where_the_value_is_zero(values: list[list[float]]) -> None:
    """Blank is exactly 0, wherever 0 is not one value among others on a scale that runs through it."""
    known = [v for row in values for v in row if not isinstance(v, str)]
    scale = scale_of(known)
    rows = [re.search("│(.*)│", row) for row in chart(Heatmap(tuple(map(tuple, values))), 80, 10, colour=False).splitlines()]
    drawn = [m.group(1)[::2] for m in rows if m and m.group(1).strip(" ") + m.group(1)][: len(values)]
    for row, cells in zip(values, drawn, strict=True):
        for value, cell in zip(row, cells, strict=True):
            assert (cell == " ") == (value == 0 and scale.blank)
            assert (cell == "×") == (value == "nan")


def test_the_legend_of_a_heatmap_is_what_shades_it() -> None:
    """For every shade the legend gives the bound up to which a value is drawn so."""
    values = (0.0, 0.1, 0.25, 0.26, 0.5, 0.9, 1.0, 1e-5)
    drawn = chart(Heatmap((values,)), 90, 10, colour=False)
    cells = re.search("│(.*)│", drawn).group(1)[::2]  # type: ignore[union-attr]
    assert cells == " ░░▒▒██·"
    assert "│ │ 0  · ≤ 0.001  ░ ≤ 0.25  ▒ ≤ 0.5  ▓ ≤ 0.75  █ ≤ 1" in drawn


def test_signed_data_diverge_from_zero_with_and_without_colour() -> None:
    """Plus and minus have shades and colours of their own, of the same strength at the same distance."""
    plain = chart(Heatmap(((-1.0, -0.2, 0.0, 0.2, 1.0),)), 60, 10, colour=False)
    assert re.search("│(.*)│", plain).group(1)[::2] == "#- ░█"  # type: ignore[union-attr]
    assert {c for c in re.findall(r"\x1b\[(\d+)m", chart(Heatmap(((-1.0, 0.0, 1.0),)), 60, 10))} == {"33", "36", "39"}


def test_a_few_whole_numbers_have_a_shade_each() -> None:
    """A map of kinds names each of them."""
    assert "│ │ 0  ░ 1  ▒ 2  █ 3" in chart(Heatmap(((0, 1, 2, 3),)), 60, 10)


def test_a_heatmap_counts_its_rows_and_columns_where_they_have_no_names() -> None:
    """Every fifth row and column is numbered, the columns below their cells."""
    rows = chart(Heatmap(tuple(tuple(range(12)) for _ in range(7))), 60, 10, colour=False).splitlines()
    assert rows[0].startswith("0 │") and rows[5].startswith("5 │") and rows[1].startswith("  │")
    assert rows[7] == " " * 3 + "0" + " " * 9 + "5" + " " * 9 + "10"


def test_columns_without_room_are_joined_by_their_largest_value() -> None:
    """A lone large value does not vanish because its column has no room."""
    values = tuple(9.0 if i == 77 else 1.0 for i in range(150))
    assert "█" in re.search("│(.*)│", chart(Heatmap((values,)), 50, 10)).group(1)  # type: ignore[union-attr]
