"""The score sheet of a mock interview in words: Markdown to print, and lines for a screen."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from studyapp.bank.model import Question
from studyapp.bank.refs import RECALL
from studyapp.i18n import Translations
from studyapp.quiz.interview import Answer, Sheet
from studyapp.quiz.interview_session import Held
from studyapp.render.figures import clock, percent

COMPARED = 5


def said(t: Translations, answer: Answer) -> str:
    """How an answer came out: points said of all, or right, partly, not."""
    if answer.kind == RECALL:
        return t("interview.points", n=len(answer.ticked), of=len(answer.ticked) + answer.missed)
    return t("interview.right" if answer.said == 1 else "interview.partly" if answer.said else "interview.not")


def headline(t: Translations, one: Held, came_to: Sheet) -> str:
    """How many were asked, in how many minutes, and how much was said."""
    minutes = round(came_to.seconds / 60)
    return t.count("interview.came_to", len(one.answers), said=percent(came_to.said), minutes=minutes, deepest=came_to.deepest)


def beside(t: Translations, earlier: Sequence[tuple[datetime, Sheet]]) -> list[str]:
    """The last of these interviews, oldest first."""
    return [
        t("interview.earlier", when=f"{when:%Y-%m-%d}", n=len(past.answers), said=percent(past.said))
        for when, past in earlier[-COMPARED:]
    ]


def to_markdown(
    t: Translations,
    one: Held,
    came_to: Sheet,
    questions: Mapping[str, Question],
    titles: Mapping[str, str],
    began: datetime,
    earlier: Sequence[tuple[datetime, Sheet]],
) -> str:
    """The sheet: by topic, two things for tonight, each answer with what was missed, and the interviews before."""
    lang = t.language
    lines = [f"# {t('interview.title')} · {began:%Y-%m-%d %H:%M}", "", headline(t, one, came_to), ""]
    heads = [t(f"interview.{name}") for name in ("topic", "asked", "said", "time")]
    lines += [f"| {' | '.join(heads)} |", "| --- | --- | --- | --- |"]
    lines += [
        f"| {titles.get(topic, topic)} | {score.asked} | {percent(score.said)} | {clock(score.seconds)} |"
        for topic, score in came_to.topics.items()
    ]
    if came_to.tonight:
        lines += ["", f"## {t('interview.tonight')}", ""]
        lines += [f"- {questions[name].ask[lang]} (`{name}`)" for name in came_to.tonight]
    lines += ["", f"## {t('interview.answers')}", ""]
    for number, answer in enumerate(one.answers, 1):
        question = questions.get(answer.question)
        ask = question.ask[lang] if question else answer.question
        why = f" · {t(f'interview.why_{answer.why}')}" if answer.depth else ""
        lines += [f"{number}. **{ask}** {said(t, answer)} · {clock(answer.seconds)}{why}"]
        if question and answer.kind == RECALL:
            lines += [
                f"   - [{'x' if place in answer.ticked else ' '}] {point[lang]}" for place, point in enumerate(question.points)
            ]
        if answer.outline.strip():
            lines += ["", *(f"   > {line}" for line in answer.outline.strip().splitlines()), ""]
    if past := beside(t, earlier):
        lines += ["", f"## {t('interview.before')}", "", *(f"- {line}" for line in past)]
    return "\n".join(lines).rstrip() + "\n"
