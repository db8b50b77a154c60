"""`studyapp quiz`: questions on standard output, answers from standard input."""

import re

import pytest
from click.testing import CliRunner, Result

from studyapp.bank.load import load_bank
from studyapp.cli import cli
from studyapp.paths import questions_dir
from studyapp.quiz.kinds import Asked
from studyapp.quiz.quiz import Quiz
from studyapp.render.document import reference_text
from studyapp.render.quiz import explain

TOPIC = "normalization"


@pytest.fixture
def quiz(tmp_path, monkeypatch):
    """The command with these words and lines of input."""
    monkeypatch.setenv("STUDYAPP_HOME", str(tmp_path))

    def run(*words: str, answers: list[str], language: str = "en") -> Result:
        return CliRunner().invoke(cli, ["--lang", language, "quiz", *words], input="".join(f"{a}\n" for a in answers))

    return run


def asked_of(count: int, seed: int) -> list[Asked]:
    """What a quiz of choices asks."""
    bank = load_bank(questions_dir())
    drawn = Quiz.draw([q for q in bank.in_order() if q.level != "reference" and q.topic == TOPIC], ["choice"], count, seed)
    asked = []
    while (each := drawn.next()) is not None:
        asked.append(each)
        drawn.answered.append(None)  # type: ignore[arg-type]  # go on without an answer
    return asked


def choices(count: int, seed: int) -> list[int]:
    """The places of the right options of a quiz of choices."""
    return [asked.answer for asked in asked_of(count, seed) if asked.answer is not None]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_same_seed_asks_the_same_and_scores_what_is_right(quiz, language: str) -> None:
    """Letters and numbers both answer; all right leaves with 0; the score and the way to ask the same again are said."""
    places = choices(6, seed=5)
    answers = [str(place + 1) if n % 2 else "abcd"[place] for n, place in enumerate(places)]
    said = quiz("--topic", TOPIC, "--kind", "choice", "-n", "6", "--seed", "5", answers=answers, language=language)
    assert said.exit_code == 0, said.output
    assert said.stdout.count("✓") == 6 and "✗" not in said.stdout and "--seed 5" in said.stdout


def test_a_wrong_answer_is_put_right_proven_and_listed(quiz) -> None:
    """What is so, the claim that shows it, and the card to read follow; the command leaves with 1."""
    places = choices(3, seed=5)
    wrong = "abcd"[(places[0] + 1) % 2]
    said = quiz("--topic", TOPIC, "--kind", "choice", "-n", "3", "--seed", "5", answers=[wrong, *("abcd"[p] for p in places[1:])])
    assert said.exit_code == 1
    assert said.stdout.count("✓") == 2 and said.stdout.count("✗") == 1
    assert re.search(r"^  studyapp run \w+/\w+\.\w+$", said.stdout, re.M) and re.search(r"^  studyapp show [\w-]+$", said.stdout, re.M)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_verdict_is_a_word_too_and_a_letter_may_be_a_capital(quiz, language: str) -> None:
    """«True», «f» or 错 answers whether a sentence is so; what was heard and what carries it are told after each."""
    bank, asked = load_bank(questions_dir()), asked_of(6, seed=5)
    assert {len(each.options) for each in asked} == {2, 4}
    words = [each.options[each.answer or 0][language] for each in asked]
    typed = [word.capitalize() if len(each.options) == 2 else "ABCD"[each.answer or 0] for each, word in zip(asked, words, strict=True)]
    said = quiz("--topic", TOPIC, "--kind", "choice", "-n", "6", "--seed", "5", answers=typed, language=language)
    assert said.exit_code == 0 and said.stdout.count("✓") == 6, said.output
    told = [explain(each, bank) for each in asked]
    heard = [where for each in told if (where := each.heard[language])]
    cites = [reference_text(c.partition(" ")[0], bank) for each in told if each.support and not each.claims for c in each.support.cite]
    assert heard and cites and all(text in said.stdout for text in (*heard, *cites))
    first = [word[0] for word in typed]
    one = quiz("--topic", TOPIC, "--kind", "choice", "-n", "6", "--seed", "5", answers=first, language=language)
    assert one.exit_code == 0, one.output


def test_what_is_no_answer_is_asked_again(quiz) -> None:
    """Neither a letter beyond the options nor an empty line is a wrong answer."""
    place = choices(1, seed=5)[0]
    said = quiz("--topic", TOPIC, "--kind", "choice", "-n", "1", "--seed", "5", answers=["z", "", "abcd"[place]])
    assert said.exit_code == 0 and said.stdout.count("✓") == 1


def test_where_the_input_ends_what_was_answered_is_scored(quiz) -> None:
    """No answer at all is no wrong one: nothing was missed."""
    said = quiz("--topic", TOPIC, "--kind", "choice", "-n", "3", "--seed", "5", answers=[])
    assert said.exit_code == 0 and "0 of 0" in said.stdout


def test_a_number_is_asked_by_the_demo_and_its_way_shown(quiz) -> None:
    """A drill's numbers come from the lab; an answer that is no number is asked again; the steps follow."""
    said = quiz("--topic", TOPIC, "--kind", "drill", "-n", "1", "--seed", "2", answers=["abc", "123456789"])
    assert said.exit_code == 1
    assert "no number" in said.stdout and "Right is: " in said.stdout and "studyapp run normalization/" in said.stdout


def test_a_topic_that_does_not_exist_is_a_wrong_call(quiz) -> None:
    """With the nearest name as a hint."""
    wrong = quiz("--topic", "normalisation", answers=[])
    assert wrong.exit_code == 2 and TOPIC in wrong.stderr
