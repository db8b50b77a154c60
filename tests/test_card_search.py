"""Search by operators: what each finds, and what is refused."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from studyapp.bank.model import Bank, Point, Question, Text, Topic
from studyapp.card_search import Term, find, parse
from studyapp.context import AppContext
from studyapp.errors import CallError
from studyapp.reviews.store import Store
from studyapp.settings import Settings

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
SETTINGS = Settings(timezone="UTC")


def question(name: str, topic: str, level: str, tags: tuple[str, ...]) -> Question:
    text = Text(f"about {name}", f"关于 {name}")
    points = tuple(Point(en=f"{name} {n}", zh=f"{name} {n}", cite=("x2020",)) for n in range(3))
    return Question(id=name, topic=topic, level=level, ask=text, brief=text, answer=text, points=points, tags=tags)


@pytest.fixture
def context(tmp_path: Path) -> Any:
    """`fresh` is new, `due` two days late, `learning`, `away` suspended and a leech, `noted` starred, `trivia` of level reference."""
    made = [
        question("fresh", "moe", "core", ("Softmax",)), question("due", "moe", "deep", ()), question("learning", "rag", "core", ()),
        question("away", "rag", "core", ()), question("noted", "rag", "frontier", ()), question("trivia", "rag", "reference", ()),
    ]  # fmt: skip
    topics = tuple(Topic(t, Text(t, t), tuple(q.id for q in made if q.topic == t)) for t in ("moe", "rag"))
    with Store.open(tmp_path / "reviews.db", Settings(timezone="UTC", leech_lapses=1), NOW) as store:
        then = NOW - timedelta(days=10)
        store.append("review", "due#recall", then, rating=4, data={"ticked": [0]})
        store.append("review", "learning#recall", NOW - timedelta(minutes=5), rating=3)
        store.append("review", "away#recall", then - timedelta(days=30), rating=4)
        store.append("review", "away#recall", then, rating=1)
        store.append("suspend", "away#recall", NOW)
        store.append("review", "noted#recall", NOW - timedelta(days=1), rating=4, data={"ticked": [0, 1]})
        store.append("star", "noted#recall", NOW)
        store.append("note", "noted#recall", NOW, data={"text": "ask"})
        bank = Bank(topics, {q.id: q for q in made})
        yield AppContext(home=tmp_path, bank=bank, settings=SETTINGS, store=store, clock=lambda: NOW, language="en")


def found(context: AppContext, text: str) -> set[str]:
    return {q.id for q in find(context, text)}


EVERYTHING = {"fresh", "due", "learning", "away", "noted", "trivia"}


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("", EVERYTHING),
        ("topic:moe", {"fresh", "due"}),
        ("topic:moe,rag level:core", {"fresh", "learning", "away"}),
        ("-topic:moe", EVERYTHING - {"fresh", "due"}),
        ("tag:softmax", {"fresh"}),
        ("is:new", {"fresh"}),
        ("is:due", {"due"}),
        ("is:learning", {"learning", "away"}),
        ("is:review", {"due", "noted"}),
        ("is:leech", {"away"}),
        ("is:suspended", {"away"}),
        ("is:starred", {"noted"}),
        ("is:noted is:starred", {"noted"}),
        ("is:due,new", {"due", "fresh"}),
        ("-is:new -is:learning", {"due", "noted", "trivia"}),
        ("prop:reps>=2", {"away"}),
        ("prop:reps!=1", {"fresh", "away", "trivia"}),
        ("prop:lapses=1", {"away"}),
        ("prop:days>=8", {"noted", "due"}),
        ("prop:r<95% -is:suspended", {"due"}),
        ("prop:r<0.95 -is:suspended", {"due"}),
        ("prop:s>=8.2", {"due", "noted"}),
        ("rated:1", {"learning"}),
        ("rated:2", {"learning", "noted"}),
        ("rated:11:1", {"away"}),
        ("rated:11 关于", {"due", "learning", "away", "noted"}),
        ("ＩＳ：ｄｕｅ", {"due"}),
        ("is：due", {"due"}),
        ("about: due", set()),
    ],
)
def test_each_operator_finds_what_it_says(context: AppContext, text: str, ids: set[str]) -> None:
    """Of questions in every state, just these."""
    assert found(context, text) == ids


def test_missed_points_are_those_missed_again_and_again(context: AppContext) -> None:
    """A point left out at one review is not enough; at two of two it is, and missed:2 wants two of them."""
    assert found(context, "missed:") == set()
    context.store.append("review", "due#recall", NOW - timedelta(days=1), rating=2, data={"ticked": [0]})
    context.store.append("review", "noted#recall", NOW, rating=2, data={"ticked": [0, 1]})
    assert found(context, "missed:") == {"due", "noted"} and found(context, "missed:2") == {"due"}


def test_what_was_undone_counts_for_nothing(context: AppContext) -> None:
    """A review that was taken back is not rated."""
    event = context.store.append("review", "fresh#recall", NOW, rating=1)
    assert found(context, "rated:1:1") == {"fresh"}
    context.store.reverse("undo", event.uid, NOW)
    assert found(context, "rated:1:1") == set()


def test_words_and_operators_stand_together(context: AppContext) -> None:
    """Words are searched as ever, in any place; a colon in a word that is like no operator is a part of it."""
    query = parse("KV缓存 -is:due cost:benefit TOPIC:moe https://x.y", ["moe"])
    assert query.words == "KV缓存 cost:benefit https://x.y"
    assert query.terms == (Term("is", "due", True), Term("topic", "moe"))


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("is:foo", "is: may be: new"), ("is:du", "did you mean due?"), ("is:", "is: may be"), ("level:cor", "did you mean core?"),
        ("topic:mo", "did you mean moe?"), ("prop:r", "prop:r<0.8"), ("prop:x<1", "prop:r<0.8"), ("prop:r<<1", "prop:r<0.8"),
        ("prop:r<1e999", "prop:r<0.8"), ("rated:0", "rated:7"), ("rated:7:5", "rated:7"), ("rated:x", "rated:7"), ("missed:x", "missed:2"),
        ("missed:0", "missed:2"),
        ("tag:", "tag:softmax"), ("topik:moe", "did you mean topic?"), ("-iss:due", "did you mean is?"),
        ("state:due", "did you mean is?"), ("deck:moe", "did you mean topic?"),
    ],
)  # fmt: skip
def test_what_is_no_query_says_how_it_may_be(text: str, hint: str) -> None:
    """Where, what, and how to mend it."""
    with pytest.raises(CallError) as refused:
        parse(text, ["moe", "rag"])
    assert hint in str(refused.value.hint)


def test_without_reviews_no_database_is_made(context: AppContext, tmp_path: Path) -> None:
    """Before anything was answered everything is as a new card is."""
    empty = AppContext(home=tmp_path / "other", bank=context.bank, settings=SETTINGS, clock=lambda: NOW, language="en")
    assert {q.id for q in find(empty, "is:new")} == EVERYTHING - {"trivia"}
    assert not find(empty, "is:due") and not (tmp_path / "other").exists()
