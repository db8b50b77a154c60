import re
import string
import subprocess
import sys
from datetime import timedelta

import pytest
from rich.cells import cell_len

from studyapp.evidence.types import Bars, Heatmap, Lines, Table
from studyapp.i18n import Translations
from studyapp.render.chart_text import chart, table_text
from studyapp.render.duration import duration
from studyapp.render.html import evidence_html, html
from studyapp.render.markdown import formulas, parser

CURVES = Lines("宽度 d", (16, 64, 256), {"方差": (1.0, "inf", 4.0), "raw": (16.0, 64.0, 256.0)}, "xy", "方差")
BARS = Bars(("注意力", "MLP"), {"a": (1.0, 1000.0), "b": (10.0, "nan")}, "y", "成本")
HEAT = Heatmap(((0.0, 1.0), (0.5, "nan")), "k", "q", ("一", "二"), ("甲", "b"), "图")


def bare(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def test_both_languages_say_the_same_keys_with_the_same_placeholders() -> None:
    """A text that one language lacks, or fills in differently, would break that language's screen."""
    en, zh = Translations.load("en"), Translations.load("zh")
    assert en.keys() == zh.keys()
    for key in en:
        fields = [sorted({f for _, f, _, _ in string.Formatter().parse(w.raw(key)) if f is not None}) for w in (en, zh)]
        assert fields[0] == fields[1], key


def test_a_missing_word_raises() -> None:
    """A key that nobody wrote is a bug and is not shown to the reader."""
    with pytest.raises(KeyError):
        Translations.load("en")("no.such")


def test_a_dollar_is_a_dollar_and_only_blocks_are_formulas() -> None:
    """Prices, names with underscores and brackets survive; displayed formulas are found with their line."""
    text = "It costs $5 and $6 for [d_model].\n\n$$\na^2\n$$\n"
    assert formulas(text) == [(2, "a^2")]
    assert "$5 and $6 for [d_model]" in parser().render(text)


def test_an_address_does_not_swallow_the_chinese_after_it() -> None:
    """A bare address stays text."""
    assert "<a" not in parser().render("见 https://a.org/x，后面")


def test_chinese_lines_join_without_a_space() -> None:
    """Lines of the file are joined as each language joins them."""
    assert parser().render("方差\n为一\n").strip() == "<p>方差为一</p>"
    assert parser().render("one\ntwo\n").strip() == "<p>one\ntwo</p>"


@pytest.mark.parametrize("evidence", [CURVES, BARS, HEAT])
@pytest.mark.parametrize("colour", [True, False])
@pytest.mark.parametrize("width", [40, 76])
def test_a_chart_keeps_within_its_width(evidence: Lines | Bars | Heatmap, colour: bool, width: int) -> None:
    """No row is wider in cells than asked, with Chinese names, and infinities do no harm."""
    drawn = chart(evidence, width, 14, colour=colour)
    assert max(cell_len(bare(row)) for row in drawn.splitlines()) <= width
    assert evidence.title in drawn
    assert colour or "\x1b" not in drawn


def test_curves_have_their_names_and_ticks_in_units_of_the_data() -> None:
    """On a log axis the ticks read as the data, not as its logarithm."""
    drawn = bare(chart(CURVES, 70, 16))
    assert "方差" in drawn and "raw" in drawn
    assert {"16", "64", "256"} <= set(re.findall(r"\d+", drawn.splitlines()[-2]))


def test_one_chart_leaves_nothing_in_the_next() -> None:
    """plotext has one figure for all; it is cleared."""
    first = chart(CURVES, 60, 12)
    chart(Lines("x", (1, 2), {"y": (5, 9)}), 60, 12)
    assert chart(CURVES, 60, 12) == first


def test_curves_without_a_finite_number_become_a_table() -> None:
    """Where nothing can be drawn the values are listed."""
    assert "inf" in chart(Lines("x", (1, 2), {"y": ("inf", "inf")}), 60, 12)


def test_longer_bars_for_larger_values() -> None:
    """A bar's length follows its value."""
    rows = chart(Bars(("a", "b"), {"": (1, 4)}), 50, 10, colour=False).splitlines()
    assert rows[1].count("█") == pytest.approx(4 * rows[0].count("█"), abs=4)


def test_a_table_is_aligned_in_cells() -> None:
    """The second column begins in the same cell in every row, though Chinese takes two cells a character."""
    rows = table_text(Table(("名称", "值"), (("注意力", 1.5), ("a", 200))), 40).splitlines()
    assert cell_len(rows[2]) == cell_len(rows[3]) == cell_len(rows[0])


def test_a_wide_table_is_cut() -> None:
    """A table never overflows the screen."""
    drawn = table_text(Table(("a" * 60, "b" * 60), (("c", "d"),)), 20)
    assert max(map(cell_len, drawn.splitlines())) <= 20
    assert "…" in drawn


def test_html_escapes_all_but_its_own_tags() -> None:
    """Neither text nor formula nor evidence can put a tag on the card."""
    made = html("<b>x</b> a < b\n\n$$a<b & c$$\n")
    assert "<b>" not in made
    assert r"\[a&lt;b &amp; c\]" in made
    assert "<i>" not in evidence_html(Table(("<i>",), (("<i>",),)))


@pytest.mark.parametrize(
    ("span", "en", "zh"),
    [
        (timedelta(seconds=5), "<1m", "<1 分钟"),
        (timedelta(minutes=10), "10m", "10 分钟"),
        (timedelta(hours=3), "3h", "3 小时"),
        (timedelta(days=5), "5d", "5 天"),
        (timedelta(days=70), "2.3mo", "2.3 个月"),
        (timedelta(days=731), "2y", "2 年"),
        (timedelta(minutes=59.9), "1h", "1 小时"),
        (timedelta(hours=23.9), "1d", "1 天"),
        (timedelta(-1), "<1m", "<1 分钟"),
    ],
)
def test_a_duration_is_short_in_both_languages(span: timedelta, en: str, zh: str) -> None:
    """The words on the rating buttons."""
    assert (duration(Translations.load("en"), span), duration(Translations.load("zh"), span)) == (en, zh)


def test_rendering_for_the_screen_imports_no_torch() -> None:
    """The interface starts fast."""
    code = (
        "import sys, studyapp.render.chart_text, studyapp.render.markdown, studyapp.render.formula, studyapp.render.chart_svg;"
        "print({'torch'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
