"""Mock interviews over the learner's bank and reviews: for both faces."""

import importlib.util
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from secrets import randbelow

from studyapp.context import AppContext
from studyapp.errors import CallError, ExportError
from studyapp.files import atomic_write, spare
from studyapp.quiz.interview import Interviewer, Sheet, sheet
from studyapp.quiz.interview_session import Held, InterviewSession, interviews, to_schedule
from studyapp.render.interview import to_markdown
from studyapp.reviews.log import Rating


def begin(
    context: AppContext, minutes: float, topics: Sequence[str] = (), level: str = "core", seed: int | None = None
) -> InterviewSession:
    """A new interview.

    Raises:
        CallError: for a topic that is not known, and where there is nothing to ask at that level in these.
    """
    context.require_scheduled(topics)
    chosen, day, cards = tuple(topics or context.scheduled_topics()), context.today(), context.cards()
    recall = context.store.scheduler.retrievability
    questions = {q.id: q for q in context.scheduled() if not (q.card_id in cards and cards[q.card_id].suspended)}
    known = {q.id: recall(cards[q.card_id], day) or 0.0 for q in questions.values() if q.card_id in cards}
    can = ("drill", "write") if importlib.util.find_spec("torch") else ()
    interviewer = Interviewer(questions, chosen, level, known, can, randbelow(2**31) if seed is None else seed)
    if interviewer.next((), 1.0) is None:
        raise CallError(context.t("interview.nothing"), context.t("interview.nothing_hint"))
    return InterviewSession(context.store, interviewer, minutes, context.clock())


def held(context: AppContext) -> list[Held]:
    """Every interview, oldest first."""
    return interviews(context.store) if "store" in context.__dict__ or context.database.exists() else []


def found(context: AppContext, name: str) -> Held:
    """The interview of an id, or the last.

    Raises:
        CallError: where there is none.
    """
    every = held(context)
    if not every:
        raise CallError(context.t("interview.none"), context.t("interview.none_hint"))
    if name == "last":
        return every[-1]
    for one in every:
        if one.id == name:
            return one
    raise CallError(context.t("interview.unknown", id=name), context.t("interview.known", ids=", ".join(o.id for o in every[-8:])))


def score(context: AppContext, one: Held) -> Sheet:
    """What an interview came to."""
    return sheet(one.answers, context.bank.questions)


def markdown(context: AppContext, one: Held) -> str:
    """The score sheet as Markdown, compared with the interviews before."""
    earlier = [(context.local(other.began), score(context, other)) for other in held(context) if other.began < one.began]
    titles = {topic.id: context.title(topic.id, short=True) for topic in context.topics()}
    return to_markdown(context.t, one, score(context, one), context.bank.questions, titles, context.local(one.began), earlier)


def save(context: AppContext, one: Held, path: Path | None = None) -> Path:
    """Write the score sheet; where it is.

    Raises:
        ExportError: where it cannot be written.
    """
    when = context.local(one.began)
    target = path or context.home / "interviews" / f"{when:%Y-%m-%d-%H%M}-{one.id}.md"
    if path is not None:
        spare(context.home, path)
    with atomic_write(target, lambda error: ExportError("{path}: cannot be written: {error}", path=target, error=error)) as part:
        part.write_text(markdown(context, one), encoding="utf-8")
    return target


def on_schedule(context: AppContext, one: Held, now: datetime) -> int:
    """Put its ratings on the schedule; how many there were to put."""
    cards = {card: question for question in context.scheduled() for card in context.cards_of(question)}
    return to_schedule(context.store, one, cards, now, context.language)


def as_dict(context: AppContext, one: Held) -> dict[str, object]:
    """An interview with its score for JSON."""
    came_to = score(context, one)
    return {
        "id": one.id,
        "began": one.began.astimezone(UTC).isoformat(),
        "minutes": one.minutes,
        "level": one.level,
        "said": round(came_to.said, 3),
        "seconds": round(came_to.seconds, 1),
        "topics": {
            topic: {"asked": each.asked, "said": round(each.said, 3), "seconds": round(each.seconds, 1)}
            for topic, each in came_to.topics.items()
        },
        "tonight": list(came_to.tonight),
        "answers": [
            {
                "card": each.card,
                "why": each.why,
                "depth": each.depth,
                "said": round(each.said, 3),
                "rating": Rating(each.rating).name.lower(),
                "seconds": round(each.seconds, 1),
                "ticked": list(each.ticked),
                "missed": each.missed,
            }
            for each in one.answers
        ],
    }
