"""Make a bank from its files. A file that is not as it must be is set aside with a finding; the others still load."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec

from studyapp.bank import yaml_nodes
from studyapp.bank.model import LEVELS, Bank, Finding, Model, Paper, Question, Source, Term, Text, Topic
from studyapp.bank.models import problems
from studyapp.errors import BankError, did_you_mean

T = TypeVar("T", bound=msgspec.Struct)

GIVEN = {Question: ("id", "topic", "path"), Paper: ("key",), Source: ("id",), Model: ("id",)}
STEM = re.compile(r"[\w-]+")
MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])")
BANK_FILES = ("topics", "papers", "terms", "sources", "models")


def load_bank(questions_dir: Path, extra: Sequence[Path] = ()) -> Bank:
    """The bank of a folder, and the personal banks of the `extra` folders; what is wrong stands in `findings`.

    The stem of a question's file is its id, the folder its topic; ids of a personal bank begin with `<folder name>:`.

    Raises:
        BankError: where `questions_dir` is no folder.
    """
    if not questions_dir.is_dir():
        raise BankError(f"{questions_dir} is not a folder of questions", "install again, or run from the checkout")
    shelf = BankBuilder()
    shelf.take(questions_dir)
    for folder in extra:
        shelf.take(folder, folder.resolve().name)
    return Bank(
        topics=tuple(shelf.topics.values()),
        questions=shelf.questions,
        papers=shelf.papers,
        terms=tuple(shelf.terms),
        sources=shelf.sources,
        models=shelf.models,
        findings=tuple(shelf.findings),
    )


@dataclass
class BankBuilder:
    """What has been read so far."""

    topics: dict[str, Topic] = field(default_factory=dict)
    questions: dict[str, Question] = field(default_factory=dict)
    papers: dict[str, Paper] = field(default_factory=dict)
    terms: list[Term] = field(default_factory=list)
    sources: dict[str, Source] = field(default_factory=dict)
    models: dict[str, Model] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def find(self, path: Path, line: int, key: str, problem: str, hint: str = "") -> None:
        self.findings.append(Finding(path, line, key, problem, hint))

    def take(self, folder: Path, name: str = "") -> None:
        """Read a folder; `name` is that of a personal bank."""
        if not folder.is_dir():
            self.find(folder, 1, "", "is not a folder of questions", "mend the path of the personal bank")
            return
        if name and (not STEM.fullmatch(name) or any(q.startswith(f"{name}:") for q in self.questions)):
            self.find(folder, 1, "", f"«{name}» cannot name a personal bank, or names another already", "rename it")
            return
        if not name or (folder / "topics.yaml").exists():
            self.take_topics(folder / "topics.yaml", name)
        self.take_keyed(folder / "papers.yaml", Paper, "key", self.papers)
        self.take_models(folder / "models.yaml")
        if not name:
            self.take_keyed(folder / "sources.yaml", Source, "id", self.sources)
        for term, _ in self.entries(folder / "terms.yaml", Term):
            self.terms.append(term)
        self.take_questions(folder, name)

    def take_questions(self, folder: Path, name: str) -> None:
        loose = [p for p in folder.glob("*.yaml") if p.stem not in BANK_FILES] if name else []
        prefix = f"{name}:" if name else ""
        read: list[Question] = []
        for path in [*sorted(loose), *sorted(folder.glob("*/*.yaml"))]:
            topic = path.parent.name if path.parent != folder else name
            question = self.question(path, prefix + path.stem, topic)
            first = next((q for q in read if question and q.id == question.id), None)
            if first:
                self.find(path, 1, "", f"has the id of {first.path}", "rename one of them")
            elif question:
                read.append(question)
        own = {q.id for q in read}

        def named(ids: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(prefix + i if prefix + i in own else i for i in ids)

        for q in read:
            if name:
                older = tuple(prefix + i for i in q.supersedes)
                q = msgspec.structs.replace(q, follow_ups=named(q.follow_ups), supersedes=older)
                if q.topic not in self.topics:
                    self.topics[q.topic] = Topic(q.topic, Text(q.topic, q.topic))
            self.questions[q.id] = q

    def question(self, path: Path, id: str, topic: str) -> Question | None:
        root = self.read(path)
        if root is None:
            return None
        before = len(self.findings)
        if not STEM.fullmatch(path.stem):
            self.find(path, 1, "", f"«{path.stem}» cannot be an id", "use letters, digits and hyphens")
        question = self.convert(path, root, Question, {"id": id, "topic": topic, "path": path})
        if question is None:
            return None
        if question.level not in LEVELS:
            hint = did_you_mean(question.level, LEVELS) or f"one of {', '.join(LEVELS)}"
            self.find(path, root.value["level"].line, "level", f"«{question.level}» is not a level", hint)
        if question.as_of and not MONTH.fullmatch(question.as_of):
            self.find(path, root.value["as_of"].line, "as_of", f"«{question.as_of}» is not a month", "write '2026-11'")
        if question.today and not MONTH.fullmatch(question.today.as_of):
            line = root.value["today"].value["as_of"].line
            self.find(path, line, "today.as_of", f"«{question.today.as_of}» is not a month", "write '2026-11'")
        return question if len(self.findings) == before else None

    def take_topics(self, path: Path, name: str) -> None:
        prefix = f"{name}:" if name else ""
        for topic, line in self.entries(path, Topic):
            topic = msgspec.structs.replace(topic, questions=tuple(prefix + q for q in topic.questions))
            known = self.topics.get(topic.id)
            if known and not name:
                self.find(path, line, topic.id, "stands twice", "keep one")
            elif known:
                self.topics[topic.id] = msgspec.structs.replace(known, questions=known.questions + topic.questions)
            else:
                self.topics[topic.id] = topic

    def entries(self, path: Path, kind: type[T]) -> list[tuple[T, int]]:
        """The entries of a file that holds a list, each with its line; an entry that is wrong is left out."""
        if kind is Term and not path.exists():
            return []
        root = self.read(path)
        if root is None:
            return []
        if not isinstance(root.value, list):
            self.find(path, root.line, "", "is not a list", "begin each entry with `- `")
            return []
        made = [(self.convert(path, node, kind), node.line) for node in root.value]
        return [(entry, line) for entry, line in made if entry is not None]

    def take_keyed(self, path: Path, kind: type[T], key: str, into: dict[str, T]) -> None:
        """Read a file that holds one mapping per key."""
        root = self.read(path) if path.exists() else None
        if root is None:
            return
        if not isinstance(root.value, dict):
            self.find(path, root.line, "", "is not a mapping", "begin each entry with its key")
            return
        for name, node in root.value.items():
            entry = self.convert(path, node, kind, {key: name})
            if entry is not None and into.setdefault(name, entry) != entry:
                self.find(path, node.line, name, "means something else in another bank", "choose another key")

    def take_models(self, path: Path) -> None:
        """Read the rows of models; one that has no source or contradicts itself is set aside with a finding."""
        rows: dict[str, Model] = {}
        self.take_keyed(path, Model, "id", rows)
        if not rows:
            return
        tree = yaml_nodes.read(path)[0]
        for id, model in rows.items():
            wrong = list(problems(model))
            for key, problem, hint in wrong:
                self.find(path, yaml_nodes.line_of(tree, f"{id}.{key}"), f"{id}.{key}", problem, hint)
            if not wrong and self.models.setdefault(id, model) != model:
                self.find(path, tree.value[id].line, id, "means something else in another bank", "choose another id")

    def read(self, path: Path) -> yaml_nodes.Node | None:
        """The tree of a file that is written as it must be, else None and findings."""
        try:
            root, findings = yaml_nodes.read(path)
        except yaml_nodes.Refused as refused:
            self.findings.append(refused.finding)
            return None
        self.findings += findings
        return root if not findings or path.stem in BANK_FILES else None

    def convert(self, path: Path, node: yaml_nodes.Node, kind: type[T], given: Mapping[str, Any] | None = None) -> T | None:
        """The value of a node whose keys are those of `kind`, else None and findings."""
        findings = list(_misfits(path, node, kind))
        self.findings += findings
        if findings:
            return None
        try:
            return msgspec.convert({**node.data(), **(given or {})}, kind, strict=False)
        except msgspec.ValidationError as error:
            self.find(path, node.line, node.key, str(error))
            return None


def _misfits(path: Path, node: yaml_nodes.Node, kind: Any) -> Iterable[Finding]:
    """Where a node is not of the form of `kind`: all of it at once, each with its line."""
    if get_origin(kind) in (UnionType, Union):  # an optional part: where it is written, it is written whole
        kind = next(part for part in get_args(kind) if part is not NoneType)
    if get_origin(kind) is tuple:
        if not isinstance(node.value, list):
            yield Finding(path, node.line, node.key, "is not a list", "put it in [brackets], or each line after `- `")
            return
        for child in node.value:
            yield from _misfits(path, child, get_args(kind)[0])
    elif isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        yield from _misfit_keys(path, node, kind)
    elif not isinstance(node.value, str):
        yield Finding(path, node.line, node.key, "is not a single text", "quote it, or put a block after `|`")
    elif kind is int and not re.fullmatch(r"[0-9]{1,15}", node.value):
        yield Finding(path, node.line, node.key, f"«{node.value}» is not a number", "write digits only")
    elif kind is bool and node.value not in ("true", "false"):
        yield Finding(path, node.line, node.key, f"«{node.value}» is neither true nor false", "write one of them")
    elif get_origin(kind) is Literal and node.value not in get_args(kind):
        hint = did_you_mean(node.value, get_args(kind)) or f"one of {', '.join(get_args(kind))}"
        yield Finding(path, node.line, node.key, f"«{node.value}» is not known here", hint)


@cache
def _fields(kind: type[msgspec.Struct]) -> dict[str, msgspec.structs.FieldInfo]:
    """The keys that a file may give."""
    return {f.name: f for f in msgspec.structs.fields(kind) if f.name not in GIVEN.get(kind, ())}


def _misfit_keys(path: Path, node: yaml_nodes.Node, kind: type[msgspec.Struct]) -> Iterable[Finding]:
    fields = _fields(kind)
    if not isinstance(node.value, dict):
        yield Finding(path, node.line, node.key, "is not a mapping", f"give it the keys {', '.join(fields)}")
        return
    dotted = f"{node.key}." if node.key else ""
    for name, child in node.value.items():
        if name in fields:
            yield from _misfits(path, child, fields[name].type)
        else:
            hint = did_you_mean(name, fields) or f"the keys are {', '.join(fields)}"
            yield Finding(path, node.key_lines[name], dotted + name, "is no key here", hint)
    for name, wanted in fields.items():
        if wanted.required and name not in node.value:
            yield Finding(path, node.line, dotted + name, "is missing", "write it")
