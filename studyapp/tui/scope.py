"""What the bank holds and what is only planned, in words: Home says it, so that nobody looks for what is not there."""

from dataclasses import dataclass

from studyapp.context import AppContext


@dataclass(frozen=True)
class TopicScope:
    """A topic: how many of its questions are written, of how many."""

    topic: str
    written: int
    planned: int


def topic_scopes(context: AppContext) -> list[TopicScope]:
    """Every topic in the bank's order, also those of which nothing is written yet."""
    written: dict[str, int] = {}
    for question in context.bank.questions.values():
        written[question.topic] = written.get(question.topic, 0) + 1
    return [TopicScope(t.id, n := written.get(t.id, 0), max(n, len(t.questions))) for t in context.bank.topics]


def scope_line(context: AppContext) -> str:
    """«58 questions · whole: Attention 34 · begun: Foundations 4 of 40 · not written yet: 11 topics»."""
    scopes = topic_scopes(context)
    whole = [s for s in scopes if s.planned and s.written == s.planned]
    begun = [s for s in scopes if 0 < s.written < s.planned]
    ahead = sum(s.planned > 0 and not s.written for s in scopes)
    questions = context.bank.questions.values()
    parts = [context.t.count("home.questions", len(questions))]
    if reference := sum(q.level == "reference" for q in questions):  # else the topics' cards would not add up to the questions
        parts[0] = context.t("home.with_reference", questions=parts[0], n=reference)
    if whole:
        names = [f"{context.title(s.topic, short=True)} {s.written}" for s in whole]
        parts.append(context.t("home.whole", topics=context.t("home.list").join(names)))
    if begun:
        names = [
            context.t("home.of", topic=context.title(s.topic, short=True), n=s.written, total=s.planned) for s in begun
        ]
        parts.append(context.t("home.begun", topics=context.t("home.list").join(names)))
    if ahead:
        parts.append(context.t.count("home.ahead", ahead))
    return " · ".join(parts)
