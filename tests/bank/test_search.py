"""Searching a bank."""

import time
from pathlib import Path

import msgspec
import pytest

from studyapp.bank.load import load_bank
from studyapp.bank.model import Bank
from studyapp.bank.search import search

GOOD = (Path(__file__).parent / "good.yaml").read_text("utf-8")


@pytest.fixture
def bank(questions, write):
    """Three questions that share words in different places."""
    write("second", "Softmax saturates.", "Layer norm divides by the variance; KV 缓存 too, top-p as well.")
    third = GOOD.replace("要除以 √dₖ", "溢出").replace("divide by √dₖ", "overflow")
    write("softmax-overflow", text=third)
    return load_bank(questions)


def ids(bank, words):
    """The ids that a search finds."""
    return [q.id for q in search(bank, words)]


@pytest.mark.parametrize("words", ["d_k", "dₖ", "D_K", "√d_k", "ｄ_ｋ", "除以", "以", "除以 divide", "√dₖ divide 方差"])
def test_finds_whatever_the_writing(bank, words):
    """Subscripts, case, width and two Chinese characters find what they mean."""
    assert ids(bank, words) == ["second", "first"]


def test_all_words_must_match(bank):
    """Every word must occur, in either language."""
    assert ids(bank, "kv缓存") == ids(bank, "KV 缓存") == ["second"]
    assert ids(bank, "kv 饱和 nowhere") == []


def test_id_and_question_come_first(bank):
    """A hit in the id comes before a hit in the answer."""
    assert ids(bank, "softmax")[0] == "softmax-overflow"
    assert len(ids(bank, "softmax")) == 3


def test_no_words_find_everything_in_order(bank):
    """An empty search is the whole bank in learning order."""
    assert ids(bank, "  ") == [q.id for q in bank.in_order()]


def test_markup_is_only_text(bank):
    """Brackets and backslashes are looked for and never interpreted."""
    assert ids(bank, "[/x] (((") == []


def test_a_large_bank_is_searched_while_one_types(bank):
    """Five hundred questions are searched in less than a tenth of a second once they have been seen."""
    one = next(iter(bank.questions.values()))
    long = msgspec.structs.replace(one.answer, en="word " * 400)
    many = {f"q{i}": msgspec.structs.replace(one, id=f"q{i}", answer=long) for i in range(500)}
    large = Bank(questions=many)
    search(large, "warm")
    start = time.perf_counter()
    assert search(large, "word divide")
    assert time.perf_counter() - start < 0.1
