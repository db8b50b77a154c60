"""One question under examination: each rule's problems, as findings with the line on which the text stands."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property

from studyapp.bank import yaml_nodes
from studyapp.bank.model import Bank, Finding, Question, Text
from studyapp.check.forms import form_problems, old
from studyapp.check.named_models import by_hand, contradictions, mentions, unknown
from studyapp.check.references import reference_problems
from studyapp.check.shared_files import ID
from studyapp.check.wording import markdown, text_problems
from studyapp.errors import did_you_mean
from studyapp.lab.catalog import Catalog

SENTENCES = ("ask", "points", "corrections")
VERSIONED = re.compile(r"\d")


@dataclass
class QuestionChecker:
    """One question; after `check` its `findings` are all that is wrong with it."""

    question: Question
    bank: Bank
    catalog: Catalog
    today: date | None
    formula_problem: Callable[[str], str | None]
    findings: list[Finding] = field(default_factory=list)

    @cached_property
    def tree(self) -> yaml_nodes.Node:
        """The file, for the lines of its keys; empty where it can no longer be read."""
        try:
            return yaml_nodes.read(self.question.path, plain=self.own)[0]
        except yaml_nodes.Refused:
            return yaml_nodes.Node({}, 1)

    @property
    def own(self) -> bool:
        """Whether it is of a personal bank: that need not keep the rules that the shipped bank sets itself."""
        return ":" in self.question.id

    def find(
        self, key: str, problem: str, hint: str = "", *, offset: int | None = None, warning: bool = False, group: str = ""
    ) -> None:
        """Keep a finding; `offset` is the line within the text at `key`, from 0."""
        node = None if offset is None else next((n for n in self.tree.walk() if n.key == key), None)
        line = node.line + (offset or 0) + 1 if node and node.block else yaml_nodes.line_of(self.tree, key)
        self.findings.append(Finding(self.question.path, line, key, problem, hint, warning, group))

    def check(self) -> None:
        """Apply every rule."""
        self.identity()
        self.age()
        for key, problem, hint, kind in reference_problems(self.question, self.bank, self.catalog, own=self.own):
            self.find(key, problem, hint, warning=kind != "finding", group="" if kind == "finding" else kind)
        for key, text in self.texts():
            self.wording(key, text)
            if not self.own:
                self.models(key, text)
        if not self.own:
            for key, offset, problem, hint in form_problems(self.question):
                self.find(key, problem, hint, offset=offset)

    def identity(self) -> None:
        """The id is a slug that topics.yaml lists under the topic of its folder."""
        q = self.question
        name = q.id.rpartition(":")[2]
        if not self.own:
            if not ID.fullmatch(name):
                self.find("", f"«{name}» is not an id", "use small letters, digits and hyphens")
            topics = {t.id: t for t in self.bank.topics}
            if q.topic not in topics:
                self.find("", f"there is no topic {q.topic}", did_you_mean(q.topic, topics) or "add it to topics.yaml")
            elif all(q.id not in t.questions for t in self.bank.topics):
                planned = [i for i in topics[q.topic].questions if i not in self.bank.questions]
                self.find("", f"{q.id} is not listed in topics.yaml", did_you_mean(q.id, planned) or "add it")
        for i, other in enumerate(q.supersedes):
            if other in self.bank.questions:
                self.find(f"supersedes[{i}]", f"{other} still has a file", "remove the file, or the line")

    def age(self) -> None:
        """What names models says when that was so, and not more than a year ago."""
        q = self.question
        named = [m for _, m in mentions(q.answer.en + q.brief.en) if VERSIONED.search(m)]
        if named and not (q.as_of or q.today or self.own):
            self.find("answer", f"names {named[0]} and has no as_of", "say the month this was so", warning=True)
        months = {"as_of": q.as_of, "today.as_of": q.today.as_of if q.today else ""}
        for key, month in months.items():
            if self.today and month and old(month, self.today):
                self.find(key, f"was last true in {month}", "look again, then mend the month", warning=True)

    def texts(self) -> Iterator[tuple[str, Text]]:
        """Every text of the question with its key."""
        q = self.question
        yield from (("ask", q.ask), ("brief", q.brief), ("answer", q.answer))
        if q.today:
            yield "today", Text(q.today.en, q.today.zh)
        for i, point in enumerate(q.points):
            yield f"points[{i}]", Text(point.en, point.zh)
        for i, correction in enumerate(q.corrections):
            yield f"corrections[{i}].wrong", correction.wrong
            yield f"corrections[{i}].right", correction.right

    def models(self, key: str, text: Text) -> None:
        """Each model named is a row of models.yaml, and what is said of its size is what the row says."""
        rows = self.bank.models
        known = [n for m in rows.values() for n in (m.name, *m.aliases, m.family) if n]
        for language in ("en", "zh"):
            where = f"{key}.{language}"
            for offset, name in dict.fromkeys(unknown(text[language], rows)):
                hint = did_you_mean(name, known) or "add a row with its source"
                self.find(where, f"names {name}, which is no row of models.yaml", hint, offset=offset)
            if not key.endswith(".wrong"):
                for offset, said, row in contradictions(text[language], rows):
                    self.find(where, f"says «{said}», and {row}", "look it up, then mend one", offset=offset, warning=True)
        if key == "answer" and len(tabled := by_hand(text.en, rows)) > 1:
            self.find("answer.en", f"has a table of facts of {', '.join(tabled)}", "name them in today.models: the table is made")

    def wording(self, key: str, text: Text) -> None:
        """What is wrong with a text. Of a personal one only what cannot be shown, as a warning."""
        problems = text_problems(text, self.formula_problem)
        if self.own:
            shown = [(language, text[language]) for language in ("en", "zh")]
            problems = (
                (language, *each)
                for language, said in (shown if text.en != text.zh else [("", text.en)])
                for each in markdown(said, self.formula_problem)
            )
        for language, offset, problem, hint in problems:
            self.find(f"{key}.{language}" if language else key, problem, hint, offset=offset, warning=self.own)
        if key.partition("[")[0] in SENTENCES and ("**" in text.en or "**" in text.zh) and not self.own:
            self.find(key, "holds **, and a single sentence has no bold", "write it without")
