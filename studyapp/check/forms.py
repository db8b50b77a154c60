"""The form of a question (docs/questions.md): a brief that can be spoken, an answer that does not age, beliefs that somebody holds."""

import re
from collections.abc import Iterator
from datetime import date

from studyapp.bank.model import Question, Text
from studyapp.check.wording import HAN

BRIEF_WORDS, BRIEF_CHARACTERS = 75, 135
MONTHS_FRESH = 12
YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")
DISPLAYED = re.compile(r"\$\$")
SPOKEN_NUMBER = re.compile(r"(?<![\w.,])\d+(?:,\d{3})*(?:\.\d+)?")
NOW = {
    "en": re.compile(r"\b(?:today|nowadays|currently|these days|as of now|to date)\b", re.IGNORECASE),
    "zh": re.compile(r"目前|如今|(?<![出体表实])现在|眼下|当今|时下|迄今|至今|今天"),
}
MODELS_ZH = "模型|框架|系统|实现|大模型|库"
LATELY = {
    "en": re.compile(
        r"\b(?:recently|lately|latest|state[ -]of[ -]the[ -]art|in recent years"
        r"|recent (?:models?|work|papers?|LLMs?|systems?|releases?)"
        r"|(?<!at )most (?:\w+ )?(?:models|LLMs|decoders|labs|libraries|frameworks|systems|implementations|kernels|engines))\b",
        re.IGNORECASE,
    ),
    "zh": re.compile(rf"近年|近来|近期|最近(?:几年|一年|发布|的(?:模型|工作|论文))|最新|主流|(?:绝?大多数?|多数)(?:{MODELS_ZH})"),
}
NEW_LINE = r"\n\s*\n|\n(?=\s*[-|*\d])"
SENTENCE = {"en": re.compile(rf"(?<=[.!?])\s+|{NEW_LINE}"), "zh": re.compile(rf"(?<=[。！？])|{NEW_LINE}")}

Problem = tuple[str, int, str, str]
"""Key of the text, line within it (from 0), problem, hint."""


def form_problems(question: Question) -> Iterator[Problem]:
    """All in which a question is not of the form."""
    for language in ("en", "zh"):
        yield from _brief(language, question.brief[language])
        yield from _ageing(question, language)
    for i, correction in enumerate(question.corrections):
        if not correction.heard:
            hint = "name a heading of the notes, or a citation, where the belief stands"
            yield f"corrections[{i}]", 0, "does not say where it was heard", hint
    for key, text in _english(question):
        for line, content in enumerate(text.split("\n")):
            if "«" in content or "»" in content:
                yield key, line, "has guillemets", "English quotes with “ and ”"


def old(month: str, today: date) -> bool:
    """Whether a month lies more than a year back."""
    year, number = map(int, month.split("-"))
    return (today.year - year) * 12 + today.month - number > MONTHS_FRESH


def brief_length(brief: Text) -> tuple[int, int]:
    """English words, and Chinese characters with each run of Latin letters or digits as one: what is spoken of a brief."""
    words = [w for w in brief.en.split() if re.search(r"\w", w)]
    han = re.findall(f"[{HAN}]", brief.zh)
    return len(words), len(han) + len(re.findall(r"[A-Za-z0-9][A-Za-z0-9.,_'-]*", brief.zh))


def too_long(brief: Text) -> bool:
    """Whether a brief cannot be said in thirty seconds, in either language."""
    words, characters = brief_length(brief)
    return words > BRIEF_WORDS or characters > BRIEF_CHARACTERS


def _brief(language: str, text: str) -> Iterator[Problem]:
    key = f"brief.{language}"
    both = Text(text, text)
    length, most, unit = (
        (brief_length(both)[0], BRIEF_WORDS, "words") if language == "en" else (brief_length(both)[1], BRIEF_CHARACTERS, "characters")
    )
    if length > most:
        yield key, 0, f"has {length} {unit}", f"say it in {most}: thirty seconds aloud"
    if DISPLAYED.search(text):
        yield key, 0, "has a displayed formula", "say in words what it does; the formula belongs to the answer"
        return
    for line, content in enumerate(text.split("\n")):
        if long := [n for n in SPOKEN_NUMBER.findall(content) if _unspeakable(n)]:
            yield key, line, f"has {', '.join(long)}", "say at most three digits, or round: 128 thousand, half a gibibyte"


def _unspeakable(number: str) -> bool:
    """More than three digits that count; a bare year is spoken with ease and is none."""
    return not YEAR.fullmatch(number) and len(re.sub(r"\D", "", number).lstrip("0")) > 3


def _ageing(question: Question, language: str) -> Iterator[Problem]:
    text = question.answer[language]
    at = 0
    for sentence in SENTENCE[language].split(text):
        at = text.index(sentence, at)
        line, year = text[:at].count("\n"), YEAR.search(sentence)
        now, lately = NOW[language].search(sentence), LATELY[language].search(sentence)
        at += len(sentence)
        said = now if now and (question.today is None or not year) else None if year else lately
        if said:
            hint = "move it to `today`" if now and question.today is None else "say the year, or move it to `today`"
            yield f"answer.{language}", line + sentence[: said.start()].count("\n"), f"says «{said[0]}»", hint


def _english(question: Question) -> Iterator[tuple[str, str]]:
    yield from (("ask.en", question.ask.en), ("brief.en", question.brief.en), ("answer.en", question.answer.en))
    if question.today:
        yield "today.en", question.today.en
    for i, point in enumerate(question.points):
        yield f"points[{i}].en", point.en
    for i, correction in enumerate(question.corrections):
        yield f"corrections[{i}].wrong.en", correction.wrong.en
        yield f"corrections[{i}].right.en", correction.right.en
