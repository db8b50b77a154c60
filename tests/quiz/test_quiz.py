"""A quiz: what it draws, asks and scores."""

import pytest

from studyapp.bank.load import load_bank
from studyapp.errors import AnswerError, BankError
from studyapp.paths import questions_dir
from studyapp.quiz.kinds import Response
from studyapp.quiz.quiz import Quiz

QUESTIONS = [q for q in load_bank(questions_dir()).in_order() if q.topic in ("position", "moe")]


def test_kinds_are_mixed_evenly_and_no_card_comes_twice() -> None:
    """As many of each kind as there are, in an order of its own."""
    drawn = Quiz.draw(QUESTIONS, ["choice", "drill"], 20, seed=1)
    kinds = [card.kind for _, card in drawn.cards]
    assert kinds.count("choice") == kinds.count("drill") == 10
    assert kinds not in (sorted(kinds), ["choice", "drill"] * 10)
    assert len(set(drawn.cards)) == 20


def test_a_seed_draws_the_same_quiz_and_another_seed_another() -> None:
    """Which cards, not only their order, and what they ask."""
    first, same, other = (Quiz.draw(QUESTIONS, ["choice"], 5, seed) for seed in (1, 1, 2))
    assert first.cards == same.cards and first.next() == same.next()
    assert {card for _, card in first.cards} != {card for _, card in other.cards}


def test_there_are_no_more_cards_than_the_bank_gives() -> None:
    """Asked for a thousand, it holds each card once; of nothing it is refused."""
    everything = Quiz.draw(QUESTIONS, ["choice", "drill"], 1000, seed=1)
    assert 40 < len(everything.cards) < 1000
    with pytest.raises(BankError):
        Quiz.draw([q for q in QUESTIONS if not q.drills], ["drill"], 5, seed=1)


def test_what_was_answered_is_scored_and_what_is_no_answer_stays() -> None:
    """Right and missed are counted; the card goes on only after an answer."""
    drawn = Quiz.draw(QUESTIONS, ["choice"], 2, seed=1)
    first = drawn.next()
    assert first is not None and first.answer is not None
    with pytest.raises(AnswerError):
        drawn.answer(first, Response(()))
    assert drawn.next() == first and drawn.left == 2
    drawn.answer(first, Response((first.answer,)))
    second = drawn.next()
    assert second is not None and second.answer is not None
    drawn.answer(second, Response(((second.answer + 1) % len(second.options),)))
    assert (drawn.right, [each.asked for each in drawn.missed], drawn.next()) == (1, [second], None)
    again = drawn.misses()
    assert [card for _, card in again.cards] == [second.card] and again.seed != drawn.seed


def test_a_card_that_is_left_out_is_the_one_at_hand() -> None:
    """What was answered before it stays, and the next one is asked."""
    drawn = Quiz.draw(QUESTIONS, ["choice"], 3, seed=1)
    cards = [card for _, card in drawn.cards]
    first = drawn.next()
    assert first is not None and first.answer is not None
    drawn.answer(first, Response((first.answer,)))
    drawn.skip()
    third = drawn.next()
    assert third is not None and third.card == cards[2] and [card for _, card in drawn.cards] == [cards[0], cards[2]]
