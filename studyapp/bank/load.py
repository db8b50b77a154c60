"""Make a bank from its files. A file that is not as it must be is set aside with a finding; the others still load."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from studyapp.bank import yaml_nodes
from studyapp.bank.files import personal_banks, question_files, shared_file
from studyapp.bank.misfits import misfits
from studyapp.bank.model import LEVELS, Bank, Finding, Model, Paper, Question, Source, Term, Text, Topic
from studyapp.bank.models import problems
from studyapp.bank.personal import complete, is_foreign
from studyapp.errors import BankError, Message, did_you_mean

T = TypeVar("T", bound=msgspec.Struct)

STEM = re.compile(r"[\w-]+")
TOPIC = re.compile(r"\w[\w .&+-]*")
MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])")


def load_bank(questions_dir: Path, extra: Sequence[Path] = ()) -> Bank:
    """The bank of a folder, and the personal banks of the `extra` folders; what is wrong stands in `findings`.

    The stem of a question's file is its id, the folder its topic; ids of a personal bank begin with `<its name>:`.

    Raises:
        BankError: where `questions_dir` is no folder, or a personal bank cannot be one.
    """
    if not questions_dir.is_dir():
        raise BankError(
            "{folder} is not a folder of questions",
            "install again, or run from the checkout",
            folder=questions_dir,
        )
    builder = BankBuilder()
    builder.take(questions_dir)
    for name, folder in personal_banks(extra).items():
        builder.take(folder, name)
    return Bank(
        topics=tuple(builder.topics.values()),
        questions=builder.questions,
        papers=builder.papers,
        terms=tuple(builder.terms),
        sources=builder.sources,
        models=builder.models,
        findings=tuple(builder.findings),
        unread=builder.unread,
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
    unread: dict[str, Path] = field(default_factory=dict)

    def find(self, path: Path, line: int, key: str, problem: str, hint: str = "") -> None:
        self.findings.append(Finding(path, line, key, problem, hint))

    @property
    def faults(self) -> int:
        """How many findings there are that set something aside."""
        return sum(not finding.warning for finding in self.findings)

    def take(self, folder: Path, name: str = "") -> None:
        """Read a folder; `name` is that of a personal bank."""
        own = bool(name)
        topics = shared_file(folder, "topics", own)
        if not own or topics.exists():
            self.take_topics(topics, name)
        self.take_keyed(shared_file(folder, "papers", own), Paper, "key", self.papers)
        self.take_models(shared_file(folder, "models", own))
        if not own:
            self.take_keyed(shared_file(folder, "sources", own), Source, "id", self.sources)
        terms = shared_file(folder, "terms", own)
        if terms.exists():
            self.terms += [term for term, _ in self.entries(terms, Term)]
        self.take_questions(folder, name)

    def take_questions(self, folder: Path, name: str) -> None:
        prefix = f"{name}:" if name else ""
        read: dict[str, Question] = {}
        for path in question_files(folder, bool(name)):
            topic = path.relative_to(folder).parts[0] if path.parent != folder else name
            question = self.question(path, prefix + path.stem, topic, bool(name))
            if question is None:
                self.unread.setdefault(prefix + path.stem, path)
            elif first := read.get(question.id):
                self.find(path, 1, "", Message("has the id of {path}", path=first.path), "rename one of them")
            else:
                read[question.id] = question

        def named(ids: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(prefix + i if prefix + i in read else i for i in ids)

        for q in read.values():
            if name:
                older = tuple(prefix + i for i in q.supersedes)
                q = msgspec.structs.replace(q, follow_ups=named(q.follow_ups), supersedes=older)
                if q.topic not in self.topics:
                    self.topics[q.topic] = Topic(q.topic, Text(q.topic, q.topic))
            self.questions[q.id] = q

    def question(self, path: Path, id: str, topic: str, own: bool) -> Question | None:
        """The question of a file, else None and findings; `own` where it is of a personal bank."""
        before = self.faults
        root = self.read(path, plain=own)
        if root is None:
            return None
        if own and is_foreign(root):
            self.findings.append(Finding(path, 1, "", "is no question", "it has neither `ask` nor `answer`", warning=True))
            return None
        if not STEM.fullmatch(path.stem):
            self.find(path, 1, "", Message("«{value}» cannot be an id", value=path.stem), "use letters, digits and hyphens")
        if not TOPIC.fullmatch(topic):
            self.find(path, 1, "", Message("«{value}» cannot be a topic", value=topic), "name the folder with letters, digits and hyphens")
        question = self.convert(path, complete(root) if own else root, Question, {"id": id, "topic": topic, "file": str(path)}, own)
        if question is None:
            return None
        if question.level not in LEVELS:
            hint = did_you_mean(question.level, LEVELS) or Message("one of {names}", names=", ".join(LEVELS))
            line = yaml_nodes.line_of(root, "level")
            self.find(path, line, "level", Message("«{value}» is not a level", value=question.level), hint)
        if question.as_of and not MONTH.fullmatch(question.as_of):
            self.find(path, root.value["as_of"].line, "as_of", Message("«{value}» is not a month", value=question.as_of), "write '2026-11'")
        if question.today and not MONTH.fullmatch(question.today.as_of):
            line = root.value["today"].value["as_of"].line
            self.find(path, line, "today.as_of", Message("«{value}» is not a month", value=question.today.as_of), "write '2026-11'")
        return question if self.faults == before else None

    def take_topics(self, path: Path, name: str) -> None:
        prefix = f"{name}:" if name else ""
        for topic, line in self.entries(path, Topic):
            topic = msgspec.structs.replace(topic, questions=tuple(prefix + q for q in topic.questions))
            known = self.topics.get(topic.id)
            if not TOPIC.fullmatch(topic.id):
                problem = Message("«{value}» cannot be a topic", value=topic.id)
                self.find(path, line, "", problem, "name it with letters, digits and hyphens")
            elif known and not name:
                self.find(path, line, topic.id, "stands twice", "keep one")
            elif known:
                self.topics[topic.id] = msgspec.structs.replace(known, questions=known.questions + topic.questions)
            else:
                self.topics[topic.id] = topic

    def entries(self, path: Path, kind: type[T]) -> list[tuple[T, int]]:
        """The entries of a file that holds a list, each with its line; an entry that is wrong is left out."""
        root = self.read(path)
        if root is None:
            return []
        if not isinstance(root.value, list):
            self.find(path, root.line, "", "is not a list", "begin each entry with `- `")
            return []
        made = [(self.convert(path, node, kind), node.line) for node in root.value]
        return [(entry, line) for entry, line in made if entry is not None]

    def take_keyed(self, path: Path, kind: type[T], key: str, into: dict[str, T]) -> yaml_nodes.Node | None:
        """Read a file that holds one mapping per key; its tree, None where there is none to take."""
        root = self.read(path) if path.exists() else None
        if root is None:
            return None
        if not isinstance(root.value, dict):
            self.find(path, root.line, "", "is not a mapping", "begin each entry with its key")
            return None
        for name, node in root.value.items():
            entry = self.convert(path, node, kind, {key: name})
            if entry is not None and into.setdefault(name, entry) != entry:
                self.find(path, node.line, name, "means something else in another bank", "choose another key")
        return root

    def take_models(self, path: Path) -> None:
        """Read the rows of models; one that has no source or contradicts itself is set aside with a finding."""
        rows: dict[str, Model] = {}
        tree = self.take_keyed(path, Model, "id", rows)
        if tree is None:
            return
        for id, model in rows.items():
            wrong = list(problems(model))
            for key, problem, hint in wrong:
                self.find(path, yaml_nodes.line_of(tree, f"{id}.{key}"), f"{id}.{key}", problem, hint)
            if not wrong and self.models.setdefault(id, model) != model:
                self.find(path, tree.value[id].line, id, "means something else in another bank", "choose another id")

    def read(self, path: Path, plain: bool = False) -> yaml_nodes.Node | None:
        """The tree of a file that can be parsed, else None and a finding; how it is written is among the findings."""
        try:
            root, findings = yaml_nodes.read(path, plain=plain)
        except yaml_nodes.Refused as refused:
            self.findings.append(refused.finding)
            return None
        self.findings += findings
        return root

    def convert(
        self, path: Path, node: yaml_nodes.Node, kind: type[T], given: Mapping[str, Any] | None = None, own: bool = False
    ) -> T | None:
        """The value of a node whose keys are those of `kind`, else None and findings.

        `own` is of a personal bank: there a key that is not known is left out with a warning.
        """
        found = list(dict.fromkeys(misfits(path, node, kind, own)))
        self.findings += found
        if any(not finding.warning for finding in found):
            return None
        data = node.data()
        for finding in found:
            del data[finding.key]
        try:
            return msgspec.convert({**data, **(given or {})}, kind, strict=False)
        except msgspec.ValidationError as error:
            self.find(path, node.line, node.key, str(error))
            return None
