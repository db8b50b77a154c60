"""Questions found by words and by operators on their cards: `is:due`, `prop:r<0.8`, `rated:7`; for both faces."""

import operator
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from studyapp.bank.model import LEVELS, Question
from studyapp.context import AppContext
from studyapp.errors import CallError, Message, did_you_mean
from studyapp.reviews.annotations import Annotation
from studyapp.reviews.cards import CardState
from studyapp.reviews.queries import Rated
from studyapp.reviews.stats import missed_points

STATES = ("new", "learning", "review", "due", "suspended", "buried", "leech", "starred", "noted")
OPERATORS = ("topic", "level", "tag", "is", "prop", "rated", "missed")
ELSEWHERE = {"deck": "topic", "state": "is", "status": "is"}
"""What other programs, or other words, call an operator."""
PROPERTIES = ("r", "s", "d", "reps", "lapses", "days")
COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "=": operator.eq, "!=": operator.ne,
}  # fmt: skip
TERM = re.compile(rf"(-?)({'|'.join(OPERATORS)}):(\S*)")
LIKE_TERM = re.compile(r"-?([a-z]+):\S+")
PROPERTY = re.compile(r"([a-z]+)(<=|>=|!=|<|>|=)(\d+(?:\.\d+)?)(%?)")


@dataclass(frozen=True)
class Term:
    """`-is:due`: an operator with what stands after its colon, or that it must not hold."""

    name: str
    value: str
    negative: bool = False


@dataclass(frozen=True)
class Query:
    """Words, all of which must occur, and operators, all of which must hold."""

    words: str
    terms: tuple[Term, ...] = ()


@dataclass
class Facts:
    """What operators ask of: the cards of recall by question, and what else the log tells."""

    today: int
    cards: Mapping[str, CardState]
    recall: Callable[[CardState, int], float | None]
    due: Callable[[CardState], bool]
    annotations: Mapping[str, Annotation] = field(default_factory=dict)
    rated: Mapping[str, Sequence[Rated]] = field(default_factory=dict)
    missed: Mapping[str, int] = field(default_factory=dict)


def parse(text: str, topics: Sequence[str] = ()) -> Query:
    """What a line asks for. A full-width colon or sign is as good.

    Raises:
        CallError: for an operator that there is not, or a value that it cannot have; the hint says what it may be.
    """
    words, terms = [], []
    for part in text.split():
        plain = unicodedata.normalize("NFKC", part).casefold()
        if found := TERM.fullmatch(plain):
            terms.append(Term(found[2], found[3], found[1] == "-"))
        elif (like := LIKE_TERM.fullmatch(plain)) and (hint := did_you_mean(ELSEWHERE.get(like[1], like[1]), OPERATORS)):
            raise CallError("there is no operator {name!r} to search by", hint, name=f"{like[1]}:")
        else:
            words.append(part)
    for term in terms:
        _check(term, topics)
    return Query(" ".join(words), tuple(terms))


def _check(term: Term, topics: Sequence[str]) -> None:
    """Refuse a value that can never be meant."""
    among: Sequence[str] = {"topic": topics, "level": LEVELS, "is": STATES}.get(term.name, ())
    name = f"{term.name}:"
    for value in term.value.split(",") if among else ():
        if value not in among:
            near = did_you_mean(value, among) or Message("{name} may be: {values}.", name=name, values=", ".join(among))
            raise CallError("{name} cannot be {value!r}", near, name=name, value=value)
    wrong = {
        "prop": not (found := PROPERTY.fullmatch(term.value)) or found[1] not in PROPERTIES,
        "rated": not re.fullmatch(r"[1-9]\d{0,3}(:[1-4])?", term.value),
        "missed": not re.fullmatch(r"([1-9]\d?)?", term.value),
        "tag": not term.value,
    }
    if wrong.get(term.name):
        hints = {
            "prop": Message("such as prop:r<0.8; r is the chance of recall, s stability, d difficulty, and there are reps, lapses, days"),
            "rated": Message("such as rated:7, answered in the last 7 days, or rated:7:1, and rated Again"),
            "missed": Message("such as missed: for points missed again and again, or missed:2 for two of them"),
            "tag": Message("such as tag:softmax"),
        }
        raise CallError("{name} cannot be {value!r}", hints[term.name], name=name, value=term.value)


def find(context: AppContext, text: str) -> list[Question]:
    """The questions that a line asks for, best first; without a word in learning order.

    Raises:
        CallError: for what is no query.
    """
    return found(context, parse(text, [topic.id for topic in context.bank.topics]))


def found(context: AppContext, query: Query, facts: Facts | None = None) -> list[Question]:
    """The questions that a query asks for; `facts` are read where they are not given."""
    questions = context.search(query.words)
    if not query.terms:
        return questions
    known = facts or read_facts(context, query)
    return [q for q in questions if all(holds(term, q, known) is not term.negative for term in query.terms)]


def read_facts(context: AppContext, query: Query | None = None) -> Facts:
    """What operators ask of, as it is now; what no operator of the query asks for is not read."""
    names = {term.name for term in query.terms} if query else set(OPERATORS)
    store_there = "store" in context.__dict__ or context.database.exists()
    if not store_there or not names & {"is", "prop", "rated", "missed"}:
        return Facts(context.today(), {}, lambda state, day: None, lambda state: False)
    store, now = context.store, context.clock()

    def due(state: CardState) -> bool:
        moment = context.due_at(state)
        return moment is not None and moment <= now and not state.hidden(context.today())

    points = {q.card_id: len(q.points) for q in context.bank.questions.values()}
    missed: dict[str, int] = {}
    for each in missed_points(store.ticks(), points) if "missed" in names else ():
        missed[each.card] = missed.get(each.card, 0) + 1
    return Facts(
        context.today(),
        store.cards(),
        store.scheduler.retrievability,
        due,
        context.annotations() if "is" in names else {},
        store.rated() if "rated" in names else {},
        missed,
    )


def holds(term: Term, question: Question, facts: Facts) -> bool:
    """Whether an operator holds of a question, its sign aside."""
    state = facts.cards.get(question.card_id, CardState(question.card_id))
    match term.name:
        case "topic":
            return question.topic in term.value.split(",")
        case "level":
            return question.level in term.value.split(",")
        case "tag":
            return any(tag.casefold() in term.value.split(",") for tag in question.tags)
        case "is":
            return any(_is(name, question, state, facts) for name in term.value.split(","))
        case "prop":
            return _property(term.value, state, facts)
        case "rated":
            days, _, rating = term.value.partition(":")
            since = facts.today - int(days)
            return any(r.day > since and (not rating or r.rating == int(rating)) for r in facts.rated.get(question.card_id, ()))
        case _:
            return facts.missed.get(question.card_id, 0) >= int(term.value or 1)


def _is(name: str, question: Question, state: CardState, facts: Facts) -> bool:
    noted = facts.annotations.get(question.id, Annotation())
    return {
        "new": state.state == "new" and question.level != "reference",
        "learning": state.state in ("learning", "relearning"),
        "review": state.state == "review",
        "due": facts.due(state),
        "suspended": state.suspended,
        "buried": state.buried_day is not None and state.buried_day >= facts.today,
        "leech": state.leech,
        "starred": noted.starred,
        "noted": bool(noted.note),
    }[name]


def _property(value: str, state: CardState, facts: Facts) -> bool:
    """Whether a property of a card compares so; one that a new card has not never does."""
    found = PROPERTY.fullmatch(value)
    assert found is not None
    name, sign, number, percent = found.groups()
    days = state.due_day - state.last_day if state.due_day is not None and state.last_day is not None else None
    values: dict[str, float | None] = {
        "r": facts.recall(state, facts.today),
        "s": state.stability,
        "d": state.difficulty,
        "reps": state.reps,
        "lapses": state.lapses,
        "days": days,
    }
    got = values[name]
    return got is not None and COMPARE[sign](got, float(number) / (100 if percent else 1))
