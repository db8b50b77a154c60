"""Searching a bank."""

from pathlib import Path

import pytest

from studyapp.bank import search as module
from studyapp.bank.load import load_bank
from studyapp.bank.search import Search

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
    return [q.id for q in Search(bank)(words)]


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


def test_the_question_itself_comes_before_tags_and_body(questions, write):
    """A word in the title outranks the same word in tags, points and answer, whatever the learning order."""
    write("second", "level: core", "level: core\ntags: [temperature]")
    write("zzz", "divide by √dₖ", "turn the temperature")
    write("body", "Softmax saturates.", "A temperature in the body.")
    assert ids(load_bank(questions), "temperature") == ["zzz", "second", "body"]


def test_no_words_find_everything_in_order(bank):
    """An empty search is the whole bank in learning order."""
    assert ids(bank, "  ") == [q.id for q in bank.in_order()]


def test_markup_is_only_text(bank):
    """Brackets and backslashes are looked for and never interpreted."""
    assert ids(bank, "[/x] (((") == []


def test_texts_are_folded_once_and_not_with_every_letter_typed(bank, monkeypatch):
    """A search folds the words looked for and nothing of the bank."""
    search, folded = Search(bank), []
    fold = module.fold
    monkeypatch.setattr(module, "fold", lambda text: folded.append(text) or fold(text))
    assert search("softmax") and search("softmax 溢出")
    assert folded == ["softmax", "softmax 溢出"]
