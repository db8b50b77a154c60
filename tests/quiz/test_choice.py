"""Which of these is wrong, made from the bank."""

import os
import re
from collections import Counter
from functools import cache

import msgspec
import pytest

from studyapp.bank.load import load_bank
from studyapp.bank.model import Bank, Correction, Point, Question, Text
from studyapp.bank.refs import CardId
from studyapp.errors import AnswerError
from studyapp.paths import questions_dir
from studyapp.quiz.choice import Choice
from studyapp.quiz.kinds import Asked, Response, Statement
from studyapp.reviews.log import Rating

SEEDS = range(40 if os.environ.get("STUDYAPP_TEST_ALL") else 4)
KIND = Choice()


@cache
def bank() -> Bank:
    return load_bank(questions_dir())


@cache
def asked_of_the_bank() -> list[Asked]:
    return [KIND.ask(q, card, seed) for q in bank().questions.values() for card in KIND.cards(q) for seed in SEEDS]


def question(points: int = 4, corrections: int = 2) -> Question:
    text = Text("ask", "问")
    return Question(
        id="q", topic="t", level="core", ask=text, brief=text, answer=text,
        points=tuple(
            Point(en=f"It holds for {n} widths: more (a; b) {n}.", zh=f"对宽度 {n} 都成立：更多（甲；乙）{n}。", cite=("a",))
            for n in range(points)
        ),
        corrections=tuple(
            Correction(wrong=Text(f"Belief {n} is so.", f"说法 {n}。"), right=Text(f"no {n}", f"不 {n}"), cite=("a",))
            for n in range(corrections)
        ),
    )  # fmt: skip


def test_a_question_is_asked_so_where_it_has_a_belief_and_three_points() -> None:
    """Else it gives no card."""
    assert list(map(str, KIND.cards(question()))) == ["q#choice"]
    assert not KIND.cards(question(points=2)) and not KIND.cards(question(corrections=0))


def test_one_option_is_wrong_and_all_differ() -> None:
    """Over the bank: four statements of which one is a belief, or one to be judged; no sentence twice, in either language."""
    for asked in asked_of_the_bank():
        assert asked.answer is not None
        if len(asked.statements) == 1:
            assert asked.answer == (0 if asked.statements[0].right else 1)
            assert asked.statements[0].text.en in asked.text.en and asked.statements[0].text.zh in asked.text.zh
            continue
        assert len(asked.options) == 4
        assert [n for n, statement in enumerate(asked.statements) if not statement.right] == [asked.answer]
        for language in ("en", "zh"):
            assert len({option[language] for option in asked.options}) == 4


def test_a_clause_is_cut_at_the_same_sign_and_leaves_nothing_open() -> None:
    """In both languages a right statement is the point or its beginning, whole to a clause, its brackets closed."""
    cut = 0
    for asked in asked_of_the_bank():
        for statement in asked.statements:
            if not isinstance(statement.source, Point):
                continue
            for language, ends in (("en", ";:."), ("zh", "；：。")):
                whole, text = " ".join(statement.source[language].split()), statement.text[language]
                assert whole.startswith(text)
                assert whole[len(text) : len(text) + 1] in ("", *ends)
                assert text.count("(") == text.count(")") and text.count("（") == text.count("）")
            cut += len(statement.text.en) + 1 < len(statement.source.en)
    assert cut > len(asked_of_the_bank()) / 4


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_wrong_option_is_not_known_by_its_length_or_form(language: str) -> None:
    """No habit that looks at length, numbers or words such as «always» finds it much more often than one time in four."""
    absolute = re.compile(r"\b(always|never|all|only|every|must|cannot)\b|必然|总是|一定|只|所有|都|任何")
    habits = {
        "shortest": lambda text: -len(text),
        "longest": len,
        "without numbers": lambda text: not re.search(r"\d", text),
        "with numbers": lambda text: bool(re.search(r"\d", text)),
        "absolute": lambda text: bool(absolute.search(text)),
        "short and without numbers": lambda text: (not re.search(r"\d", text), -len(text)),
    }
    hits, sets = Counter(), 0
    for asked in asked_of_the_bank():
        if len(asked.options) != 4:
            continue
        sets += 1
        for name, habit in habits.items():
            scores = [habit(option[language]) for option in asked.options]
            best = [n for n, score in enumerate(scores) if score == max(scores)]
            hits[name] += (asked.answer in best) / len(best)
    assert sets > 100
    assert {name: round(count / sets, 2) for name, count in hits.items() if count / sets > 0.38} == {}


def test_the_opposite_of_a_belief_does_not_stand_beside_it() -> None:
    """Where three other points are there, one that the same claim shows is left out: of the two one would have to be wrong."""
    points = tuple(Point(en=f"It is so for {n}", zh=f"{n} 时如此", proof=(f"t/demo.claim_{n}",)) for n in range(4))
    belief = Correction(wrong=Text("It is not so", "并非如此"), right=Text("It is", "是"), proof=("t/demo.claim_2",))
    asked = msgspec.structs.replace(question(), points=points, corrections=(belief,))
    sets = [KIND.ask(asked, CardId("q", "choice"), seed) for seed in range(20)]
    assert not any(statement.source is points[2] for each in sets if len(each.options) == 4 for statement in each.statements)


def with_points(*points: tuple[str, str]) -> Question:
    """A question with these points and one belief, «It is not so.»."""
    belief = Correction(wrong=Text("It is not so.", "并非如此。"), right=Text("It is", "是"), cite=("a",))
    made = tuple(Point(en=en, zh=zh, cite=("a",)) for en, zh in points)
    return msgspec.structs.replace(question(), points=made, corrections=(belief,))


def statements(asked: Question) -> list[Statement]:
    """Whatever is said of a question by the seeds to 40."""
    return [each for seed in range(40) for each in KIND.ask(asked, CardId("q", "choice"), seed).statements]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_belief_is_often_the_longest_in_either_language(language: str) -> None:
    """Three of its points are shorter and three longer in that language alone: it is still the longest more often than by chance."""

    def said(name: str, length: int) -> tuple[str, str]:
        en, zh = (length if each == language else 1 for each in ("en", "zh"))
        return f"{name} is {'so ' * en}", f"{name} 如{'此' * zh}"

    asked = with_points(*(said(name, 1 if name in "abc" else 9) for name in "abcdef"))
    belief = msgspec.structs.replace(asked.corrections[0], wrong=Text(*said("g", 5)))
    asked = msgspec.structs.replace(asked, corrections=(belief,))
    sets = [a for seed in range(100) if len((a := KIND.ask(asked, CardId("q", "choice"), seed)).options) == 4]
    longest = [a for a in sets if a.answer == max(range(4), key=lambda n: len(a.options[n][language]))]
    assert len(longest) > len(sets) / 4


def test_a_number_does_not_stand_among_statements_without() -> None:
    """Where three points have no number, as the belief has none, the fourth is left out of the four: its number would tell."""
    asked = with_points(*((f"It is so for {n}", f"{n} 时如此") for n in "ab3c"))
    sets = [KIND.ask(asked, CardId("q", "choice"), seed) for seed in range(20)]
    assert not any(s.source is asked.points[2] for each in sets if len(each.options) == 4 for s in each.statements)


@pytest.mark.parametrize("sign", ["`", "$"])
def test_no_code_or_formula_is_cut(sign: str) -> None:
    """A sign within it ends no clause, nor does one after so few letters that they say nothing."""
    cut = with_points(*((f"It costs {sign}a; b{sign} for {n}", f"代价是 {sign}a；b{sign}，{n} 时") for n in "abc"))
    short = with_points(*((f"In {n}: it costs more than before", f"在 {n}：代价比以前高") for n in "abc"))
    for asked in (cut, short):
        wholes = {point.en for point in asked.points}
        assert {each.text.en for each in statements(asked) if each.right} == wholes


def test_no_statement_ends_with_a_full_stop() -> None:
    """A whole point would else be told from a clause, and both from a belief."""
    asked = with_points(*((f"It is so for {n}: always.", f"{n} 时如此：总是。") for n in "abc"))
    texts = {text for each in statements(asked) for text in (each.text.en, each.text.zh)}
    assert not any(text.endswith((".", "。")) for text in texts)


def test_both_ways_of_asking_come_and_both_answers() -> None:
    """Of many seeds some ask which is wrong and fewer whether one is true; of those some are and some are not."""
    sets = [KIND.ask(question(), CardId("q", "choice"), seed) for seed in range(60)]
    answers = [asked.answer for asked in sets if len(asked.options) == 2]
    assert 8 < len(answers) < 30 and 3 < sum(answers) < len(answers) - 3


def test_a_true_sentence_is_not_known_by_its_length() -> None:
    """One to be judged is of the points and their clauses the one nearest in length to the belief that it may be."""
    asked = with_points(*((f"It is {'so ' * n}", f"如{'此' * n}") for n in (1, 10, 20, 30)))
    alone = [a.statements[0] for seed in range(60) if len((a := KIND.ask(asked, CardId("q", "choice"), seed)).options) == 2]
    assert {each.source for each in alone if each.right} == {asked.points[0]}


def test_the_same_seed_asks_the_same_and_others_differ() -> None:
    """What a card asks is drawn from its seed alone, and of one seed each card draws its own."""
    card = CardId("q", "choice")
    sets = [KIND.ask(question(), card, seed) for seed in range(30)]
    assert sets == [KIND.ask(question(), card, seed) for seed in range(30)]
    assert len({asked.options for asked in sets}) > 8
    assert len({KIND.ask(question(), CardId(f"q{n}", "choice"), 1).options for n in range(30)}) > 8


def test_an_answer_is_graded_by_the_option_chosen() -> None:
    """Wrong is Again; right is Good, Easy at once, Hard with a hint or late; what is no option is no answer."""
    asked = KIND.ask(question(), CardId("q", "choice"), 3)
    assert asked.answer is not None
    right, wrong = (asked.answer,), ((asked.answer + 1) % len(asked.options),)
    assert KIND.grade(asked, Response(wrong, seconds=1)).suggested == Rating.AGAIN
    assert [KIND.grade(asked, Response(right, seconds=s)).suggested for s in (2, 30, 600)] == [Rating.EASY, Rating.GOOD, Rating.HARD]
    assert KIND.grade(asked, Response(right, seconds=2, hinted=True)).suggested == Rating.HARD
    assert KIND.grade(asked, Response(right)).kept() == {"seed": 3, "chosen": asked.answer, "right": True, "suggested": 3}
    for none in ((), (7,), (-1,), (0, 1)):
        with pytest.raises(AnswerError):
            KIND.grade(asked, Response(none))
