"""Choice: which of four statements is wrong, or whether one is true; made from the points and corrections of a question.

What is right is a point, or its first clause; what is wrong is a belief that a correction refutes. A belief is mostly said in
fewer words than a point, which would give it away: the right statements are taken whole or cut so that the wrong one is as often
the longest as the shortest.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import combinations, product
from random import Random

from studyapp.bank.model import Correction, Point, Question, Text
from studyapp.bank.refs import CardId
from studyapp.errors import AnswerError
from studyapp.quiz.kinds import Asked, Grade, Response, Statement, rate

OPTIONS = 4
QUICK, LATE = 8.0, 90.0  # seconds
WHICH = Text("Which of these is wrong?", "下面哪一项是错的？")
TRUE_OR_FALSE = Text("True or false?", "对还是错？")
VERDICTS = (Text("true", "对"), Text("false", "错"))
ENDS = {"en": re.compile(r"(?<=\S)([;:.])(?=\s)"), "zh": re.compile(r"([；：。])(?=.)")}
ALIKE = str.maketrans("；：。", ";:.")
PAIRS = (("(", ")"), ("（", "）"), ("[", "]"), ("“", "”"), ("「", "」"))
RANKS = (1, 2, 4, 6)  # weights: few beliefs are long enough to come third or last
SHORTEST = 16  # a clause of fewer characters says too little by itself


class Choice:
    """Asked of every question that corrects a belief and has three points beside it."""

    name = "choice"

    def cards(self, question: Question) -> Sequence[CardId]:
        """One card a question."""
        fit = len(question.points) >= OPTIONS - 1 and question.corrections
        return (CardId(question.id, self.name),) if fit else ()

    def ask(self, question: Question, card: CardId, seed: int) -> Asked:
        """One belief among three right statements, or one statement to be judged; two times in three the former."""
        rng = Random(f"{card}:{seed}")
        return self._which(question, card, seed, rng) if rng.random() < 2 / 3 else self._one(question, card, seed, rng)

    def _which(self, question: Question, card: CardId, seed: int, rng: Random) -> Asked:
        rank = rng.choices(range(OPTIONS), RANKS)[0]  # of the wrong one among the options, by length
        sets: list[tuple[Statement, Sequence[Statement]]] = [
            (wrong, right)
            for wrong in map(_belief, question.corrections)
            for points in combinations(question.points, OPTIONS - 1)
            for right in product(*map(_variants, points))
        ]
        rng.shuffle(sets)
        wrong, right = min(sets, key=lambda each: _recognisable(each[0], each[1], rank))
        statements = [wrong, *right]
        rng.shuffle(statements)
        options = tuple(statement.text for statement in statements)
        answer = statements.index(wrong)
        return Asked(card, question, _under(question, WHICH), options, seed, tuple(statements), answer)

    def _one(self, question: Question, card: CardId, seed: int, rng: Random) -> Asked:
        statement = _belief(rng.choice(question.corrections))
        if rng.random() < 1 / 2:
            right = [variant for point in question.points for variant in _variants(point)]
            rng.shuffle(right)
            length = _length(statement.text)
            statement = min(right, key=lambda variant: abs(_length(variant.text) - length))
        text = _under(question, TRUE_OR_FALSE, statement.text)
        return Asked(card, question, text, VERDICTS, seed, (statement,), 0 if statement.right else 1)

    def grade(self, asked: Asked, response: Response) -> Grade:
        """Again where it was the wrong one; else Good, Hard after a minute and a half."""
        if len(response.ticked) != 1 or not 0 <= response.ticked[0] < len(asked.options):
            raise AnswerError("this is none of the options", "choose one of {count}", count=len(asked.options))
        chosen = response.ticked[0]
        right = chosen == asked.answer
        return Grade(rate(right, response, QUICK, LATE), {"seed": asked.seed, "chosen": chosen, "right": right}, right)


def _under(question: Question, *below: Text) -> Text:
    """What is asked, with the question that it is about above it."""
    return Text(*("\n\n".join(text[language].strip() for text in (question.ask, *below)) for language in ("en", "zh")))


def _belief(correction: Correction) -> Statement:
    return Statement(Text(_bare(correction.wrong.en), _bare(correction.wrong.zh)), correction)


def _variants(point: Point) -> Iterator[Statement]:
    """The point as it stands and, where both languages break at the same sign, its first clause."""
    whole = Text(_bare(point.en), _bare(point.zh))
    yield Statement(whole, point)
    ends = [ENDS[language].search(whole[language]) for language in ("en", "zh")]
    if not all(ends):
        return
    en, zh = (end for end in ends if end is not None)
    clause = Text(whole.en[: en.start()], whole.zh[: zh.start()])
    same = en[1] == zh[1].translate(ALIKE)
    if same and len(clause.en) >= SHORTEST and all(map(_closed, (clause.en, clause.zh))):
        yield Statement(clause, point)


def _bare(text: str) -> str:
    return " ".join(text.split()).rstrip(".。")


def _closed(text: str) -> bool:
    """Whether no bracket, quotation, formula or code is left open."""
    even = text.count("`") % 2 == 0 and text.count("$") % 2 == 0
    return even and all(text.count(opening) == text.count(closing) for opening, closing in PAIRS)


def _length(text: Text) -> int:
    return len(text.en) + 2 * len(text.zh)  # a Chinese character is as wide as two letters


def _recognisable(wrong: Statement, right: Sequence[Statement], rank: int) -> float:
    """How easily the wrong statement is found: by its place in length, far from the `rank`-th, by having numbers where others
    have none, or by the opposite beside it, which the same claim shows."""
    by_length = sum(
        abs(sum(len(each.text[language]) < len(wrong.text[language]) for each in right) - rank) for language in ("en", "zh")
    )
    by_form = sum(_has_number(each) != _has_number(wrong) for each in right)
    opposite = sum(not _leans_on(each).isdisjoint(_leans_on(wrong)) for each in right)  # two that exclude each other
    return by_length + by_form + 2 * opposite


def _leans_on(statement: Statement) -> set[str]:
    return {*statement.source.claims, *statement.source.cite}


def _has_number(statement: Statement) -> bool:
    return any(sign.isdigit() for sign in statement.text.en)
