"""A question as a document: sections in reading order, each of typed blocks, between the bank and whatever draws it.

The question is walked here and nowhere else. The terminal page, the plain text, HTML, JSON and the card in the app each
draw the blocks of a `Document`; a new section is added once and reaches all of them.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal, Protocol

from studyapp.bank.model import Bank, Model, Question, Support, Text
from studyapp.bank.refs import demo_and_claim
from studyapp.errors import DemoError
from studyapp.evidence.labels import Labels
from studyapp.evidence.types import Check, Evidence, Table
from studyapp.lab.catalog import Catalog
from studyapp.lab.chinese import labels
from studyapp.lab.recordings import RecordedClaim, RecordedDemo, Recordings
from studyapp.lab.verdict import Mark
from studyapp.render.markdown import with_breaks
from studyapp.render.model_table import model_table
from studyapp.reviews.annotations import Annotation

SECTIONS = (
    "ask", "brief", "points", "answer", "today", "note", "corrections", "evidence", "follow_ups", "practice", "references",
)  # fmt: skip
"""The names of the sections, in reading order; one that has nothing to show is left out of a document."""


SENTENCE_END = re.compile(r"[.:;](?= )|[。：；]|\.$")

Judge = Callable[[Support], Mark]


@dataclass(frozen=True, slots=True)
class Prose:
    """A text in Markdown."""

    text: Text


@dataclass(frozen=True, slots=True)
class Statement:
    """A sentence in inline Markdown with its mark, and what carries it: claims ("topic/demo.claim") or citations."""

    text: Text
    mark: Mark
    claims: tuple[str, ...] = ()
    cites: tuple[str, ...] = ()

    @property
    def support(self) -> str:
        """What carries it, as text; empty where nothing does."""
        return ", ".join(self.claims or self.cites)


@dataclass(frozen=True, slots=True)
class Correction:
    """What is often said, what is so, and where the belief was `heard`: as the file names it, and in words in `heard_in`."""

    wrong: Text
    right: Statement
    heard: tuple[str, ...]
    heard_in: Text


@dataclass(frozen=True, slots=True)
class ClaimEvidence:
    """A claim with what it showed when it was last recorded: `run` and `record` are None where it never was.

    `sentence` is what the claim says; None where no demo has it. `mark` judges this claim alone. `labels` has the Chinese
    of what is written in charts, tables and checks.
    """

    claim: str
    sentence: Text | None
    mark: Mark
    run: RecordedDemo | None = None
    record: RecordedClaim | None = None
    labels: Labels | None = None

    def evidence(self, language: str) -> tuple[Evidence, ...]:
        """What it showed, labelled in `language`."""
        items = self.record.evidence if self.record else ()
        return tuple(self.labels.translated(e) for e in items) if self.labels and language == "zh" else items

    def checks(self, language: str) -> tuple[Check, ...]:
        """What it expected, labelled in `language`."""
        items = self.record.checks if self.record else ()
        return tuple(self.labels.translated(c) for c in items) if self.labels and language == "zh" else items


@dataclass(frozen=True, slots=True)
class FollowUp:
    """A question that comes next. One that is planned and has no file yet is none: nobody could open it."""

    id: str
    ask: Text


@dataclass(frozen=True, slots=True)
class Reference:
    """A source in full, with the places in it that are cited."""

    key: str
    text: str
    places: tuple[str, ...]

    def __str__(self) -> str:
        return ", ".join([self.text, *self.places])


@dataclass(frozen=True, slots=True)
class Models:
    """The named models of a question: all their ids, and those that models.yaml knows."""

    ids: tuple[str, ...]
    known: tuple[Model, ...]
    topic: str

    def table(self, language: str) -> Table | None:
        """Their facts, in the columns that the topic needs; None where none is known."""
        return model_table(self.known, self.topic, language) if self.known else None


@dataclass(frozen=True, slots=True)
class Practice:
    """What can be done beside the card: a number to work out, or a function to write.

    Attributes:
        kind: "drill" or "write"; the text `document.<kind>` names it.
        ref: "topic/demo.name".
        sentence: what it is about, in a line: of a drill the claim that its answer rests on. None where no demo has it.
    """

    kind: Literal["drill", "write"]
    ref: str
    sentence: Text | None = None

    @property
    def command(self) -> str:
        """The command line that gives it."""
        return f"studyapp {self.kind} {self.ref}"


Block = Prose | Statement | Correction | ClaimEvidence | FollowUp | Reference | Models | Practice


@dataclass(frozen=True, slots=True)
class Section:
    """Blocks under one heading; `name` is one of SECTIONS, the heading is the text `document.<name>`."""

    name: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A question ready to be drawn; what the file says and no section shows is on `question`, the star on `annotation`."""

    question: Question
    topic_title: Text
    sections: tuple[Section, ...]
    annotation: Annotation = field(default_factory=Annotation)

    @property
    def ask(self) -> Text:
        """The question asked."""
        return self.question.ask

    def section(self, name: str) -> tuple[Block, ...]:
        """The blocks of a section; empty where the document has none."""
        return next((s.blocks for s in self.sections if s.name == name), ())

    def evidence(self) -> Iterator[ClaimEvidence]:
        """Every claim of the question, once each, in order."""
        return (b for b in self.section("evidence") if isinstance(b, ClaimEvidence))


def document(
    question: Question,
    bank: Bank,
    judge: Judge,
    *,
    catalog: Catalog | None = None,
    recordings: Recordings | None = None,
    annotation: Annotation | None = None,
) -> Document:
    """Walk `question`.

    `judge` says what a statement's mark is. Without `catalog` claims have no sentences, without `recordings` nothing
    they showed. `annotation` is what the learner noted about it.
    """
    annotation = annotation or Annotation()
    today = question.today
    parts: dict[str, Iterable[Block]] = {
        "ask": [Prose(question.ask)],
        "brief": _prose(question.brief),
        "points": [_statement(p, _text(p), judge) for p in question.points],
        "answer": _prose(question.answer) if question.answer != question.brief else [],  # a personal one may have no brief
        "today": [*_prose(_text(today)), *_models(question, bank)] if today else [],
        "note": note_blocks(annotation.note),
        "corrections": [
            Correction(c.wrong, _statement(c, c.right, judge), c.heard, heard_text(c.heard, bank))
            for c in question.corrections
        ],
        "evidence": _evidence(question, bank, judge, catalog, recordings),
        "follow_ups": [FollowUp(q.id, q.ask) for f in question.follow_ups if (q := bank.questions.get(f))],
        "references": _references(question, bank),
        "practice": practice_blocks(question, catalog),
    }
    sections = tuple(Section(name, blocks) for name in SECTIONS if (blocks := tuple(parts[name])))
    title = next((t.title for t in bank.topics if t.id == question.topic), Text(question.topic, question.topic))
    return Document(question, title, sections, annotation)


class _Both(Protocol):
    def __getitem__(self, language: str, /) -> str: ...


def _text(both: _Both) -> Text:
    return Text(both["en"], both["zh"])


def _prose(text: Text) -> list[Block]:
    return [Prose(text)] if text["en"].strip() or text["zh"].strip() else []


def note_blocks(note: str) -> list[Prose]:
    """What the learner wrote, the same in every language."""
    text = with_breaks(note)
    return [Prose(Text(text, text))] if text else []


def practice_blocks(question: Question, catalog: Catalog | None) -> Iterator[Practice]:
    """The drills of a question, then the functions that it offers to write."""
    for ref in question.drills:
        yield Practice("drill", ref, _drill_sentence(ref, catalog))
    for ref in question.write:
        yield Practice("write", ref, _exercise_sentence(ref, catalog))


def _drill_sentence(ref: str, catalog: Catalog | None) -> Text | None:
    name, drill = demo_and_claim(ref)
    try:
        demo = catalog.demos[name] if catalog is not None else None
        return _first_sentence(demo.claim(demo.drill(drill).proved_by).sentence) if demo else None
    except (KeyError, DemoError):
        return None


def _exercise_sentence(ref: str, catalog: Catalog | None) -> Text | None:
    name, function = demo_and_claim(ref)
    try:
        return _first_sentence(catalog.demos[name].exercise(function).sentence) if catalog is not None else None
    except (KeyError, DemoError):
        return None


def _first_sentence(text: Text) -> Text:
    """What a docstring begins with, as far as its first full stop or colon: a line in a list."""
    return Text(*(SENTENCE_END.split(" ".join(text[language].split()), maxsplit=1)[0] for language in ("en", "zh")))


def _statement(support: Support, text: Text, judge: Judge) -> Statement:
    return Statement(text, judge(support), support.claims, () if support.claims else support.cite)


def _models(question: Question, bank: Bank) -> list[Block]:
    ids = question.today.models if question.today else ()
    known = tuple(bank.models[name] for name in ids if name in bank.models)
    return [Models(ids, known, question.topic)] if ids else []


def _evidence(
    question: Question, bank: Bank, judge: Judge, catalog: Catalog | None, recordings: Recordings | None
) -> Iterator[ClaimEvidence]:
    kinds = question.claim_kinds
    for claim in question.claims:
        alone = Support(toy=(claim,)) if kinds[claim] == "toy" else Support(proof=(claim,))
        demo = catalog.demos.get(demo_and_claim(claim)[0]) if catalog is not None else None
        chinese = labels(demo, bank.terms) if demo else None
        found = recordings.best_run(claim, demo) if recordings is not None else None
        run, record = found or (None, None)
        yield ClaimEvidence(claim, _sentence(claim, catalog), judge(alone), run, record, chinese)


def _sentence(claim: str, catalog: Catalog | None) -> Text | None:
    try:
        return catalog.claim(claim).sentence if catalog is not None else None
    except DemoError:
        return None


def _references(question: Question, bank: Bank) -> Iterator[Reference]:
    for key, places in question.citations.items():
        yield Reference(key, reference_text(key, bank), places)


def citation_text(cite: str, bank: Bank) -> str:
    """What a statement cites, "key place", in full."""
    key, _, place = cite.partition(" ")
    return str(Reference(key, reference_text(key, bank), (place,) if place else ()))


def heard_text(references: Iterable[str], bank: Bank) -> Text:
    """Where a belief was heard, in words: headings of the notes, or papers and the places in them; "" where nowhere."""
    places = [_heard_in(reference, bank) for reference in references]
    return Text(*(", ".join(place[language] for place in places) for language in ("en", "zh")))


def _heard_in(reference: str, bank: Bank) -> Text:
    if source := bank.sources.get(reference):
        return Text(f"the study notes, “{source.heading}”", f"学习笔记「{source.heading}」")
    key, _, place = reference.partition(" ")
    paper = bank.papers.get(key)
    text = " ".join([f"{paper.authors} ({paper.year})" if paper else key, *([place] if place else [])])
    return Text(text, text)


def reference_text(key: str, bank: Bank) -> str:
    """A source in full; its key where the bank does not know it."""
    paper = bank.papers.get(key)
    if paper is None:
        return key
    stop = "" if paper.title.endswith(("?", "!", ".")) else "."
    return f"{paper.authors} ({paper.year}). {paper.title}{stop} {paper.id}"
