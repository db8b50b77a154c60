"""The bank in numbers, topic by topic: what is written and planned, what carries it, and what is still to be done."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from datetime import date

from studyapp.bank.model import Bank, Finding, Question
from studyapp.check.forms import old, too_long
from studyapp.lab.catalog import Catalog
from studyapp.lab.demo import Demo


@dataclass(frozen=True)
class TopicRow:
    """The numbers of one topic. `proven`, `toy` and `cited` count points, `old` questions whose `today` is past a year."""

    questions: int = 0
    planned: int = 0
    proven: int = 0
    toy: int = 0
    cited: int = 0
    corrections: int = 0
    demos: int = 0
    claims: int = 0
    breaks: int = 0
    drills: int = 0
    exercises: int = 0
    long_briefs: int = 0
    today: int = 0
    old: int = 0
    findings: int = 0

    def __add__(self, other: "TopicRow") -> "TopicRow":
        return TopicRow(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


NUMBERS = tuple(f.name for f in fields(TopicRow))


def topic_rows(bank: Bank, catalog: Catalog, findings: Iterable[Finding], today: date) -> dict[str, TopicRow]:
    """A row for every topic that is listed or has a question or a demo, in the order of topics.yaml."""
    names = [t.id for t in bank.topics]
    names += sorted({*(q.topic for q in bank.questions.values()), *(d.topic for d in catalog.demos.values())} - set(names))
    listed = {t.id: t.questions for t in bank.topics}
    wrong: dict[str, int] = {}
    paths = {q.path: q.topic for q in bank.questions.values()}
    for finding in findings:
        if not finding.warning and finding.path in paths:
            wrong[paths[finding.path]] = wrong.get(paths[finding.path], 0) + 1
    rows = {}
    for name in names:
        row = sum((_question(q, today) for q in bank.questions.values() if q.topic == name), TopicRow())
        row += sum((_demo(d) for d in catalog.demos.values() if d.topic == name), TopicRow())
        planned = sum(i not in bank.questions for i in listed.get(name, ()))
        rows[name] = row + TopicRow(planned=planned, findings=wrong.get(name, 0))
    return rows


def as_dict(row: TopicRow) -> dict[str, int]:
    """A row for JSON."""
    return asdict(row)


def _question(question: Question, today: date) -> TopicRow:
    kinds = [p.kind for p in question.points]
    return TopicRow(
        questions=1,
        proven=kinds.count("proof"),
        toy=kinds.count("toy"),
        cited=kinds.count("cite"),
        corrections=len(question.corrections),
        long_briefs=int(too_long(question.brief)),
        today=int(question.today is not None),
        old=int(question.today is not None and old(question.today.as_of, today)),
    )


def _demo(demo: Demo) -> TopicRow:
    return TopicRow(
        demos=1,
        claims=len(demo.claims),
        breaks=sum(len(c.breaks) for c in demo.claims),
        drills=len(demo.drills),
        exercises=len(demo.exercises),
    )
