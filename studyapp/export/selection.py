"""Which questions an export holds."""

from collections.abc import Iterable, Mapping

from studyapp.bank.model import Bank, Question
from studyapp.bank.refs import CardId
from studyapp.errors import CallError, ExportError, did_you_mean
from studyapp.export.options import ExportOptions
from studyapp.i18n import Translations
from studyapp.reviews.cards import CardState

MATURE_DAYS = 21
"""From this stability on a card counts as mature, as in Anki."""


def select_questions(options: ExportOptions) -> list[Question]:
    """The questions asked for, by topic and by id, in learning order.

    Raises:
        CallError: for a topic or a question that does not exist.
        ExportError: where nothing is left.
    """
    bank, t = options.bank, options.words
    require_topics(options.topics, bank, t)
    for name in options.ids:
        if name not in bank.questions:
            hint = did_you_mean(name, bank.questions, most=3) or t("errors.search_finds")
            raise CallError(t("errors.no_question", id=name), hint)
    wanted, topics = set(options.ids), set(options.topics)
    found = [q for q in bank.in_order() if (not topics or q.topic in topics) and (not wanted or q.id in wanted)]
    if not found:
        raise ExportError(t("export.nothing"), t("export.nothing_hint"))
    return found


def require_topics(topics: Iterable[str], bank: Bank, t: Translations) -> None:
    """Nothing where the bank has all these topics.

    Raises:
        CallError: for the first that it has not, with the nearest of those it has.
    """
    known = [topic.id for topic in bank.topics]
    known += sorted({q.topic for q in bank.questions.values()} - set(known))
    for topic in topics:
        if topic not in known:
            hint = did_you_mean(topic, known) or t("errors.topics_are", names=", ".join(known))
            raise CallError(t("errors.no_topic", topic=topic), hint)


def weak(cards: Mapping[str, CardState]) -> list[str]:
    """The questions whose card was forgotten once or more and is not mature yet."""
    found = []
    for state in cards.values():
        slipping = state.state == "relearning" or (state.lapses > 0 and (state.stability or 0) < MATURE_DAYS)
        if slipping and (card := CardId.try_parse(state.card)) is not None:
            found.append(card.question)
    return sorted(set(found))
