"""The bank in numbers."""

from datetime import date
from pathlib import Path

from studyapp.bank.model import Bank, Correction, Finding, Point, Question, Text, Today, Topic
from studyapp.check.table import NUMBERS, TopicRow, as_dict, topic_rows
from studyapp.lab.catalog import Catalog

DAY = date(2026, 11, 26)
ONE = Text("One.", "一。")


def question(id: str, topic: str, **parts) -> Question:
    """A question with two proven points and one cited."""
    points = tuple(
        Point(en="a", zh="甲", proof=proof, cite=() if proof else ("p",)) for proof in (("attention/d.a",), ("attention/d.b",), ())
    )
    made = {"ask": ONE, "brief": ONE, "answer": ONE, "points": points, **parts}
    return Question(id=id, topic=topic, level="core", file=f"{topic}/{id}.yaml", **made)


def bank() -> Bank:
    """Two topics; three questions planned or written in the first, one of them with everything."""
    old = Today(as_of="2025-10", en="Now.", zh="现状。")
    right = Correction(wrong=ONE, right=ONE, cite=("p",))
    full = question("full", "attention", brief=Text("word " * 76, "短"), corrections=(right, right), today=old)
    toy = question("toy", "position", points=(Point(en="a", zh="甲", toy=("attention/d.a",)),))
    topics = (Topic("attention", ONE, ("plain", "full", "planned")), Topic("position", ONE, ("toy",)))
    return Bank(topics=topics, questions={q.id: q for q in (question("plain", "attention"), full, toy)})


def demos(tmp_path: Path) -> Catalog:
    """One demo of two claims."""
    file = tmp_path / "attention" / "d.py"
    file.parent.mkdir()
    claim = '\n\ndef claim_%s():\n    """It is so.\n\n    确实如此。"""\n'
    file.write_text('"""A demo.\n\n演示。\n"""\n' + claim % "a" + claim % "b", "utf-8")
    return Catalog.load(tmp_path)


def test_what_a_topic_holds_is_counted(tmp_path):
    """Written and planned, points by what carries them, corrections, demos and claims, briefs too long, today past a year."""
    wrong = [Finding(Path("attention/full.yaml"), 1, "", "x")] * 2
    other = [Finding(Path("attention/full.yaml"), 1, "", "x", warning=True), Finding(Path("topics.yaml"), 1, "", "x")]
    rows = topic_rows(bank(), demos(tmp_path), [*wrong, *other], DAY)
    assert rows["attention"] == TopicRow(
        questions=2, planned=1, proven=4, cited=2, corrections=2, demos=1, claims=2, long_briefs=1, today=1, old=1, findings=2
    )
    assert rows["position"] == TopicRow(questions=1, toy=1)


def test_the_total_is_the_sum_of_the_topics(tmp_path):
    """Adding rows adds every number."""
    rows = topic_rows(bank(), demos(tmp_path), [], DAY)
    total = as_dict(sum(rows.values(), TopicRow()))
    assert total == {name: sum(as_dict(row)[name] for row in rows.values()) for name in NUMBERS}
    assert total["questions"] == 3 and total["proven"] == 4


def test_a_topic_that_is_not_listed_comes_last(tmp_path):
    """A question or a demo of an unlisted topic still has a row."""
    lone = Bank(topics=(Topic("position", ONE),), questions={"q": question("q", "rag")})
    assert list(topic_rows(lone, demos(tmp_path), [], DAY)) == ["position", "attention", "rag"]
