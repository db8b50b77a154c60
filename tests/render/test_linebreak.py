"""Where lines break."""

import itertools
from itertools import pairwise

import pytest
from rich.cells import cell_len

from studyapp.render.linebreak import divide_line, wrapped

TEXTS = [
    "同加一个常数，分子分母乘上同一因子，因此减去最大值后 softmax 不变（只差舍入误差）。",
    "plain English words, with a averyveryverylongwordthatfitsnowhere in it",
    "",
    "   ",
]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("width", [4, 9, 20, 76])
def test_every_line_fits_and_nothing_is_lost(text: str, width: int) -> None:
    """The pieces between the breaks join to the text, and each fits."""
    edges = [0, *divide_line(text, width), len(text)]
    pieces = [text[a:b] for a, b in itertools.pairwise(edges)]
    assert "".join(pieces) == text
    assert all(cell_len(p.rstrip()) <= width for p in pieces)


def test_chinese_fills_the_line_and_no_line_begins_with_a_comma() -> None:
    """A run of Chinese after a Latin word starts on the same line."""
    text = "算 logit 同加一个常数，分子分母会出现同一个因子并约掉"
    edges = [0, *divide_line(text, 20), len(text)]
    pieces = [text[a:b] for a, b in itertools.pairwise(edges)]
    assert "同加" in pieces[0] and not any(p.startswith("，") for p in pieces)


def test_a_no_break_space_holds_its_line_together():
    """A key and what it does stay in one line, where there is room for both."""
    text = "r\u00a0run  u\u00a0undo"
    breaks = [0, *divide_line(text, 9), len(text)]
    assert [text[a:b] for a, b in pairwise(breaks)] == ["r\u00a0run  ", "u\u00a0undo"]


@pytest.mark.parametrize("width", range(12, 60))
def test_a_key_stays_with_its_chinese_name(width: int) -> None:
    """In a footer no line ends inside «l 实验室», however wide it is."""
    keys = ["enter\u00a0学习该主题", "n\u00a0新题安排", "l\u00a0实验室", "ctrl+l\u00a0English", "?\u00a0帮助"]
    text = "  ".join(keys)
    edges = [0, *divide_line(text, width), len(text)]
    pieces = [text[a:b] for a, b in itertools.pairwise(edges)]
    assert all(any(key in piece for piece in pieces) for key in keys if cell_len(key) <= width)


def test_a_text_is_lines_without_blanks_at_their_ends() -> None:
    """What was a line of its own stays one, an empty one too, and a text without words is one empty line."""
    assert wrapped("aa bb\n\ncc", 3) == ["aa", "bb", "", "cc"]
    assert wrapped("a\nb", 80) == ["a", "b"] and wrapped("", 80) == [""]
