"""What can be said aloud, what ages, and which words are asked to name a year."""

from datetime import date

import pytest

from studyapp.bank.model import Question, Text, Today
from studyapp.check.forms import brief_length, form_problems, old, too_long

NOTHING = Text("Nothing.", "无。")


def question(
    *, answer: tuple[str, str] = ("Timeless.", "无。"), brief: tuple[str, str] = ("Short.", "短。"), today: bool = False
) -> Question:
    """A question without points, of which only brief, answer and today matter."""
    now = Today(as_of="2026-11", en="Now.", zh="现状。") if today else None
    return Question(
        id="q", topic="attention", level="core", ask=NOTHING, brief=Text(*brief), answer=Text(*answer), points=(), today=now
    )


def problems(**parts) -> list[tuple[str, str]]:
    """Key and problem of what is wrong."""
    return [(key, problem) for key, _, problem, _ in form_problems(question(**parts))]


def test_a_brief_is_measured_as_it_is_spoken():
    """Words with a letter or digit; Chinese characters, and each Latin word or number as one."""
    assert brief_length(Text("One two, three – four.", "分组 GQA 让 KV cache 降为 1/8。")) == (4, 10)


@pytest.mark.parametrize(("words", "characters", "long"), [(75, 135, False), (76, 10, True), (10, 136, True)])
def test_thirty_seconds_are_75_words_or_135_characters(words, characters, long):
    """The bound itself still fits."""
    assert too_long(Text("word " * words, "字" * characters)) is long


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("It has 524,288 bytes.", "has 524,288"),
        ("Over 4096 tokens", "has 4096"),
        ("About 0.0078 of it", ""),
        ("In 2024, 128 heads of 0.125 and 3.14", ""),
        ("Year 1899 and 2100", "has 1899, 2100"),
        ("$$\nx\n$$\n524,288", "has a displayed formula"),
        ("Llama-2-70B and H100", ""),
    ],
)
def test_a_brief_holds_only_numbers_that_can_be_said(text, said):
    """At most three digits that count; a year from 1900 to 2099 is spoken with ease; a formula is not spoken at all."""
    assert [p for _, p in problems(brief=(text, "短。"))] == ([said] if said else [])


@pytest.mark.parametrize(
    ("en", "zh", "keys"),
    [
        ("Today all use it.", "无。", ["answer.en"]),
        ("Currently, in 2026, all use it.", "无。", ["answer.en"]),
        ("Most models use it.", "无。", ["answer.en"]),
        ("In 2024 most open models use it.", "无。", []),
        ("At most models differ.", "无。", []),
        ("The most recent tokens stay, and most keys lose.", "无。", []),
        ("Recent models dropped it.", "无。", ["answer.en"]),
        ("Nothing.", "目前都用它。", ["answer.zh"]),
        ("Nothing.", "如今（2026）都用它。", ["answer.zh"]),
        ("Nothing.", "大多数模型都用它。", ["answer.zh"]),
        ("Nothing.", "2024 年的主流做法。", []),
        ("Nothing.", "只看最近的 128 个 token，当前 token 除外。", []),
        ("Nothing.", "均值出现在 2 处，体现在图里。", []),
    ],
)
def test_an_answer_without_today_does_not_speak_of_now(en, zh, keys):
    """«today» and 目前 belong to `today`; «most models» and 近年 want a year; tokens may be recent."""
    assert [key for key, _ in problems(answer=(en, zh))] == keys


@pytest.mark.parametrize(("en", "found"), [("Today all use it.", True), ("Today (2026) all use it.", False)])
def test_beside_a_today_the_word_may_stand_with_a_year(en, found):
    """Where a question has `today`, its answer may say the word if the sentence carries the year."""
    assert bool(problems(answer=(en, "无。"), today=True)) is found


def test_the_line_of_such_a_word_is_its_own():
    """The place is the line on which the word stands."""
    [(key, line, said, _)] = form_problems(question(answer=("First.\n\nSecond. Third,\nand nowadays so.", "无。")))
    assert (key, line, said) == ("answer.en", 3, "says «nowadays»")


def test_guillemets_are_for_chinese_and_nobody():
    """English texts quote with “ and ”, in every part of a question."""
    assert problems(brief=("Say «so».", "短。")) == [("brief.en", "has guillemets")]
    assert problems(brief=("Say “so”.", "说「好」。")) == []


@pytest.mark.parametrize(("month", "is_old"), [("2025-11", False), ("2025-10", True), ("2026-12", False)])
def test_a_year_makes_a_month_old(month, is_old):
    """Exactly twelve months are not yet old."""
    assert old(month, date(2026, 11, 26)) is is_old
