"""What a bank is made of. Values only; `load` makes them from files."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import msgspec

from studyapp.bank.models import Model
from studyapp.bank.refs import RECALL, CardId, ClaimRef
from studyapp.bank.text import LANGUAGES, Text
from studyapp.errors import as_message
from studyapp.plaintext import printable_line

SupportKind = Literal["proof", "toy", "cite", "none"]
SCHEDULED_LEVELS = ("core", "deep", "frontier")
LEVELS = (*SCHEDULED_LEVELS, "reference")
"""Reference questions are looked up and never asked."""

__all__ = [
    "LANGUAGES", "LEVELS", "SCHEDULED_LEVELS", "Bank", "Correction", "Finding", "Model", "Paper", "Point", "Question", "Source",
    "Support", "SupportKind", "Term", "Text", "Today", "Topic",
]  # fmt: skip


class Support(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What carries a statement: exactly one of the three in the bank that ships, at most one in a personal bank."""

    proof: tuple[str, ...] = ()
    toy: tuple[str, ...] = ()
    cite: tuple[str, ...] = ()

    @property
    def kind(self) -> SupportKind:
        """What carries it; "none" where nothing does, as in a personal bank."""
        return "proof" if self.proof else "toy" if self.toy else "cite" if self.cite else "none"

    @property
    def claims(self) -> tuple[str, ...]:
        """The claims that carry it: "topic/demo.claim"."""
        return self.proof or self.toy


class Point(Support, frozen=True, kw_only=True):
    """One sentence that an interviewer ticks."""

    en: str
    zh: str

    def __getitem__(self, language: str) -> str:
        return self.zh if language == "zh" else self.en


class Correction(Support, frozen=True, kw_only=True):
    """What is commonly said, what is so, what shows it, and where it is `heard`: a heading of a note, or a citation."""

    wrong: Text
    right: Text
    heard: tuple[str, ...] = ()


class Today(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What models and libraries do as of a month: the one place for «today», «most» and «recent».

    `models` are ids of models.yaml, shown as a table beside the text.
    """

    as_of: str
    en: str
    zh: str
    cites: tuple[str, ...] = ()
    models: tuple[str, ...] = ()

    def __getitem__(self, language: str) -> str:
        return self.zh if language == "zh" else self.en


class Question(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A question; `id`, `topic` and `file` come from where its file stands.

    `drills` name functions of demos that ask for a number ("topic/demo.name"), `write` those that a learner may write.
    """

    id: str
    topic: str
    level: str
    ask: Text
    brief: Text
    answer: Text
    points: tuple[Point, ...]
    today: Today | None = None
    corrections: tuple[Correction, ...] = ()
    follow_ups: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    cites: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    as_of: str = ""
    drills: tuple[str, ...] = ()
    write: tuple[str, ...] = ()
    supersedes: tuple[str, ...] = ()
    file: str = ""

    @property
    def path(self) -> Path:
        """Where its file stands; kept as text, for to make hundreds of paths would hold up the app's start."""
        return Path(self.file)

    @property
    def card_id(self) -> str:
        """The id of its card."""
        return str(CardId(self.id, RECALL))

    @property
    def claims(self) -> tuple[str, ...]:
        """Every claim it leans on, once each, in order."""
        return tuple(dict.fromkeys(c for s in (*self.points, *self.corrections) for c in s.claims))

    @property
    def claim_kinds(self) -> dict[str, SupportKind]:
        """As what it leans on each claim; one that carries one statement as proof and one as toy counts as toy."""
        supports = (*self.points, *self.corrections)
        return {c: kind for kind in ("proof", "toy") for s in supports if s.kind == kind for c in s.claims}

    @property
    def citations(self) -> dict[str, tuple[str, ...]]:
        """The papers that it or its statements cite, each with the places in it, once each, in order."""
        places: dict[str, dict[str, None]] = {}
        current = self.today.cites if self.today else ()
        for cite in (*self.cites, *current, *(c for s in (*self.points, *self.corrections) for c in s.cite)):
            paper, _, place = cite.partition(" ")
            places.setdefault(paper, {}).update({place: None} if place else {})
        return {paper: tuple(where) for paper, where in places.items()}

    @property
    def demos(self) -> tuple[str, ...]:
        """The demos of its claims, once each, in order; `check` tells of a claim that is no reference."""
        return tuple(dict.fromkeys(ref.demo for ref in map(ClaimRef.try_parse, self.claims) if ref))


class Topic(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A topic with its question ids in learning order; those without a file are planned."""

    id: str
    title: Text
    questions: tuple[str, ...] = ()


class Paper(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A source that can be looked up; `id` is "arXiv:1706.03762", "doi:…" or a URL.

    `version` is that of the arXiv paper which was read, `read` how far: "full", "section", "abstract", "secondary" (in
    another text's words) or "code@<commit>"; both are empty where nobody can say.
    """

    key: str
    authors: str
    year: int
    title: str
    id: str
    version: str = ""
    read: str = ""


class Term(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The fixed term for an idea in both languages."""

    en: str
    zh: str
    note: str = ""


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A heading of a note that the bank answers, or leaves out with a reason."""

    id: str
    note: str
    heading: str
    line: int
    left_out: str = ""


@dataclass(frozen=True)
class Finding:
    """Something wrong with a file: where, what, and how to mend it.

    A `warning` fails nothing; its `group` is "backlog" where something is planned.
    """

    path: Path
    line: int
    key: str
    problem: str
    hint: str = ""
    warning: bool = False
    group: str = ""

    def __str__(self) -> str:
        return self.said(str)

    def said(self, say: Callable[[str], str]) -> str:
        """The line that is printed; `say` says an English text in the learner's language (`Translations.message`)."""
        key = f" {self.key}:" if self.key else ""
        hint = f"; {say(as_message(self.hint))}" if self.hint else ""
        return printable_line(f"{self.path}:{self.line}:{key} {say(as_message(self.problem))}{hint}")


@dataclass(frozen=True)
class Bank:
    """Everything that could be read, and the findings for what could not.

    Attributes:
        unread: the files that were set aside, by the id that their question would have.
        folded: what `search.Search` looks in, made once by the cache; empty where it is to be made anew.
    """

    topics: tuple[Topic, ...] = ()
    questions: Mapping[str, Question] = field(default_factory=dict)
    papers: Mapping[str, Paper] = field(default_factory=dict)
    terms: tuple[Term, ...] = ()
    sources: Mapping[str, Source] = field(default_factory=dict)
    models: Mapping[str, Model] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    unread: Mapping[str, Path] = field(default_factory=dict)
    folded: bytes = field(default=b"", repr=False, compare=False)

    def in_order(self) -> list[Question]:
        """Every question that has a file, in learning order; unlisted ones last."""
        listed = [q for t in self.topics for q in t.questions]
        rank = {q: i for i, q in enumerate(listed)}
        return sorted(self.questions.values(), key=lambda q: (rank.get(q.id, len(rank)), q.id))
