"""What a sitting came to, and the ways on from its end."""

from collections.abc import Iterator, Mapping, Sequence

from textual.content import Content

from studyapp.bank.model import Question
from studyapp.context import AppContext
from studyapp.reviews.log import Rating
from studyapp.reviews.sessions import Summary
from studyapp.tui.widgets.session_end import Way

MOST_TOPICS = 6


def summary_lines(context: AppContext, done: Summary) -> list[str]:
    """What was answered."""
    t = context.t
    if not done.reviews:
        return [t("study.done"), t("study.done_none")]
    percent = round(100 * (1 - done.ratings.get(Rating.AGAIN, 0) / done.reviews))
    minutes = max(1, round(done.seconds / 60))
    return [t("study.done"), t("study.done_reviews", n=done.reviews, percent=percent, minutes=minutes)]


def ways_on(
    context: AppContext, answered: Mapping[str, Rating], topic: str | None
) -> list[tuple[str, Sequence[Way]]]:
    """The misses to read or go over again, the topics that have cards today, the questions that follow, and practice.

    `answered` holds the worst rating of each question in this sitting.
    """
    t, questions = context.t, context.bank.questions
    missed = [questions[q] for q, rating in answered.items() if rating <= Rating.HARD and q in questions]
    again = [Way("again", Content(t("study.way_again", n=len(missed))))] if missed else []
    practice = [Way("practice", Content(t("study.way_practice")))]
    return [
        (t("study.way_missed"), [*_read(context, missed, answered), *again]),
        (t("study.way_next"), list(_topics(context, topic))),
        (t("study.follow_ups"), list(_read(context, _follow_ups(context, answered), {}))),
        (t("study.way_more"), practice),
    ]


def _read(context: AppContext, questions: Sequence[Question], answered: Mapping[str, Rating]) -> Iterator[Way]:
    for question in questions:
        rating = answered.get(question.id)
        name = context.t(f"study.{rating.name.lower()}") if rating else ""
        text = Content.assemble(question.ask[context.language], Content.styled(f"  {name}" if name else "", "$warning"))
        yield Way("read", text, question.id)


def _follow_ups(context: AppContext, answered: Mapping[str, Rating]) -> list[Question]:
    """The follow-ups of what was missed that were not asked here: at most a few, nearest first."""
    names = [
        f
        for q, rating in answered.items()
        if rating <= Rating.HARD and q in context.bank.questions
        for f in context.bank.questions[q].follow_ups
    ]
    known = [n for n in dict.fromkeys(names) if n in context.bank.questions and n not in answered]
    return [context.bank.questions[n] for n in known[:MOST_TOPICS]]


def _topics(context: AppContext, topic: str | None) -> Iterator[Way]:
    """The topics that still have cards today, those after this one first."""
    topics, waiting = context.topics(), context.overview().waiting
    here = next((i for i, one in enumerate(topics) if one.id == topic), -1)
    found = 0
    for other in [*topics[here + 1 :], *topics[: max(0, here)]]:
        counts = waiting.get(other.id)
        if counts and (counts.new or counts.due or counts.learning) and found < MOST_TOPICS:
            found += 1
            named = (("due", counts.due), ("learning", counts.learning), ("new", counts.new))
            parts = [context.t(f"study.{k}", n=n) for k, n in named if n]
            text = Content.assemble(other.title[context.language], Content.styled("  " + " · ".join(parts), "$foreground-muted"))
            yield Way("topic", text, other.id)

