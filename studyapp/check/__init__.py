"""The rules across files, and those on wording: everything that is wrong with the bank, as findings.

A finding that is a warning is listed and fails nothing.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path

from studyapp.bank import yaml_nodes
from studyapp.bank.model import Bank, Finding, Question, Support, SupportKind, Text
from studyapp.bank.refs import demo_and_claim
from studyapp.check.wording import markdown, text_problems
from studyapp.errors import did_you_mean
from studyapp.i18n import Translations
from studyapp.lab.catalog import Catalog
from studyapp.lab.recordings import Recordings
from studyapp.lab.verdict import claim_verdict, verdict
from studyapp.render.formula import formula_problem as draws

POINTS = (3, 6)
ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
PAPER_ID = re.compile(r"arXiv:(\d{4}\.\d{4,5}|[a-z-]+(\.[A-Z]{2})?/\d{7})|doi:10\.\d{4,9}/\S+|https?://\S+")
MODEL = re.compile(r"\b(?:GPT-[3-9]|Llama[ -]?\d|Qwen[ -]?\d|DeepSeek-[VR]\d|Gemini|Claude|Mistral|Mixtral|Gemma|Kimi)")
MONTHS_FRESH = 12
SENTENCES = ("ask", "points", "corrections")


def check_bank(
    bank: Bank,
    catalog: Catalog,
    *,
    today: date | None = None,
    formula_problem: Callable[[str], str | None] = draws,
) -> list[Finding]:
    """Everything that is wrong with bank and demos, by file and line. Without `today` nothing is too old."""
    findings = [*bank.findings, *catalog.findings, *_topics(bank), *_papers(bank), *_terms(bank), *_headings(bank)]
    used = {demo for q in bank.questions.values() for demo in q.demos}
    for name, demo in catalog.demos.items():
        if name not in used:
            findings.append(
                Finding(demo.path, 1, "", "no question leans on it", "name one of its claims, or remove it")
            )
    for question in bank.questions.values():
        page = QuestionChecker(question, bank, catalog, today, formula_problem)
        page.check()
        findings += page.findings
    return sorted(set(findings), key=lambda f: (str(f.path), f.line, f.key, f.problem))


def _shared(bank: Bank, name: str) -> Path:
    """The path of one of the files that all questions share, as far as it can be told from theirs."""
    main = [q.path.parent.parent for q in bank.questions.values() if ":" not in q.id]
    return (main[0] if main else Path()) / name


def _topics(bank: Bank) -> Iterator[Finding]:
    path = _shared(bank, "topics.yaml")
    listed = Counter(q for t in bank.topics for q in t.questions)
    for id, times in listed.items():
        if times > 1:
            yield _at(path, id, "is listed twice", "keep one")
        if not ID.fullmatch(id.rpartition(":")[2]):
            yield _at(path, id, "is not an id", "use small letters, digits and hyphens")
    for topic in bank.topics:
        for id in topic.questions:
            if id in bank.questions and bank.questions[id].topic != topic.id and ":" not in id:
                where = bank.questions[id].topic
                yield _at(path, id, f"is listed under {topic.id} and stands in {where}/", "move one of the two")


def _papers(bank: Bank) -> Iterator[Finding]:
    path = _shared(bank, "papers.yaml")
    seen: dict[str, str] = {}
    for key, paper in bank.papers.items():
        if not PAPER_ID.fullmatch(paper.id):
            yield _at(path, key, f"«{paper.id}» cannot be looked up", "write arXiv:2101.00001, doi:10.… or an address")
        elif (first := seen.setdefault(paper.id.casefold(), key)) != key:
            yield _at(path, key, f"is the same source as {first}", "keep one key")


def _terms(bank: Bank) -> Iterator[Finding]:
    path = _shared(bank, "terms.yaml")
    for en, times in Counter(t.en.casefold() for t in bank.terms).items():
        if times > 1:
            yield _at(path, en, "stands twice", "keep one")


def _headings(bank: Bank) -> Iterator[Finding]:
    path = _shared(bank, "sources.yaml")
    answered = {s for q in bank.questions.values() for s in q.sources}
    for id, source in bank.sources.items():
        if source.left_out and id in answered:
            yield _at(path, id, "is said to be left out, and a question answers it", "remove left_out")
    waiting = [id for id, s in bank.sources.items() if not s.left_out and id not in answered]
    if waiting:
        some = ", ".join(waiting[:3]) + (" …" if len(waiting) > 3 else "")
        problem = f"{len(waiting)} headings of the notes wait for an answer: {some}"
        yield Finding(path, 1, "", problem, "name them under `sources` of a question", warning=True)


def _at(path: Path, key: str, problem: str, hint: str) -> Finding:
    """A finding on the last line of a shared file that begins with `key`, where it can be read."""
    line = 1
    if path.is_file():
        for number, content in enumerate(path.read_text("utf-8", errors="replace").splitlines(), 1):
            if key in re.split(r"[\s,'{}\[\]]+|:(?=\s)", content):
                line = number
    return Finding(path, line, key, problem, hint)


@dataclass
class QuestionChecker:
    """One question under examination."""

    question: Question
    bank: Bank
    catalog: Catalog
    today: date | None
    formula_problem: Callable[[str], str | None]
    findings: list[Finding] = field(default_factory=list)

    @cached_property
    def tree(self) -> yaml_nodes.Node:
        try:
            return yaml_nodes.read(self.question.path, plain=self.own)[0]
        except yaml_nodes.Refused:
            return yaml_nodes.Node({}, 1)

    def find(self, key: str, problem: str, hint: str = "", *, line: int = 0, warning: bool = False) -> None:
        place = line or yaml_nodes.line_of(self.tree, key)
        self.findings.append(Finding(self.question.path, place, key, problem, hint, warning))

    @property
    def own(self) -> bool:
        """Whether it is of a personal bank: that need not keep the rules that the shipped bank sets itself."""
        return ":" in self.question.id

    def check(self) -> None:
        self.identity()
        self.age()
        self.support("points", self.question.points)
        self.support("corrections", self.question.corrections)
        self.references()
        for key, text in self.texts():
            self.wording(key, text)

    def identity(self) -> None:
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
        for i, old in enumerate(q.supersedes):
            if old in self.bank.questions:
                self.find(f"supersedes[{i}]", f"{old} still has a file", "remove the file, or the line")

    def age(self) -> None:
        q = self.question
        if not q.as_of:
            if not self.own and (named := MODEL.search(q.answer.en + q.brief.en)):
                self.find("answer", f"names {named[0]} and has no as_of", "say the month this was so", warning=True)
        elif self.today:
            year, month = map(int, q.as_of.split("-"))
            if (self.today.year - year) * 12 + self.today.month - month > MONTHS_FRESH:
                self.find("as_of", f"was last true in {q.as_of}", "look again, then mend the month", warning=True)

    def support(self, name: str, supported: Sequence[Support]) -> None:
        low, high = POINTS
        if name == "points" and not self.own and not low <= len(supported) <= high:
            self.find(name, f"are {len(supported)}", f"write {low} to {high}")
        for i, one in enumerate(supported):
            kinds = [kind for kind in ("proof", "toy", "cite") if getattr(one, kind)]
            if len(kinds) > 1 or not (kinds or self.own):
                has = " and ".join(kinds) or "nothing"
                self.find(f"{name}[{i}]", f"is carried by {has}", "give exactly one of proof, toy and cite")
            for kind in ("proof", "toy"):
                for j, claim in enumerate(getattr(one, kind)):
                    self.claim(f"{name}[{i}].{kind}[{j}]", claim)
            self.cited(f"{name}[{i}].cite", one.cite)

    def claim(self, key: str, claim: str) -> None:
        demo, name = demo_and_claim(claim)
        if demo not in self.catalog.demos:
            self.find(key, f"there is no demo {demo}", did_you_mean(demo, self.catalog.demos))
        elif name not in (known := [c.name for c in self.catalog.demos[demo].claims]):
            hint = did_you_mean(name, known) or f"it has {', '.join(known)}"
            self.find(key, f"{demo} has no claim {name or '(none named)'}", hint)

    def cited(self, key: str, cites: Sequence[str]) -> None:
        for i, cite in enumerate(cites):
            paper = cite.split()[0]
            if paper not in self.bank.papers:
                hint = did_you_mean(paper, self.bank.papers) or "look it up and add it"
                self.find(f"{key}[{i}]", f"{paper} is not in papers.yaml", hint)

    def heard(self, key: str, places: Sequence[str]) -> None:
        """Where a belief stands: a heading of the notes, or a paper."""
        for i, place in enumerate(places):
            if "#" not in place:
                self.cited(key, (place,))
            elif place not in self.bank.sources:
                self.find(f"{key}[{i}]", f"{place} is not in sources.yaml", did_you_mean(place, self.bank.sources))

    def references(self) -> None:
        q, questions = self.question, self.bank.questions
        self.cited("cites", q.cites)
        if q.today:
            self.cited("today.cites", q.today.cites)
        for i, correction in enumerate(q.corrections):
            self.heard(f"corrections[{i}].heard", correction.heard)
        planned = {i for t in self.bank.topics for i in t.questions}
        for i, other in enumerate(q.follow_ups):
            key = f"follow_ups[{i}]"
            if other == q.id:
                self.find(key, "follows itself", "remove it")
            elif other not in questions and other in planned:
                self.find(key, f"{other} is planned and has no file yet", warning=True)
            elif other not in questions:
                self.find(key, f"there is no question {other}", did_you_mean(other, {*questions, *planned}))
        for i, source in enumerate(q.sources):
            if source not in self.bank.sources:
                self.find(f"sources[{i}]", f"{source} is not in sources.yaml", did_you_mean(source, self.bank.sources))

    def texts(self) -> Iterator[tuple[str, Text]]:
        q = self.question
        yield from (("ask", q.ask), ("brief", q.brief), ("answer", q.answer))
        if q.today:
            yield "today", Text(q.today.en, q.today.zh)
        for i, point in enumerate(q.points):
            yield f"points[{i}]", Text(point.en, point.zh)
        for i, correction in enumerate(q.corrections):
            yield f"corrections[{i}].wrong", correction.wrong
            yield f"corrections[{i}].right", correction.right

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
            where = f"{key}.{language}" if language else key
            node = next((n for n in self.tree.walk() if n.key == where), None)
            line = node.line + offset + 1 if node and node.block else 0
            self.find(where, problem, hint, line=line, warning=self.own)
        if key.partition("[")[0] in SENTENCES and ("**" in text.en or "**" in text.zh) and not self.own:
            self.find(key, "holds **, and a single sentence has no bold", "write it without")


def proofs(bank: Bank, catalog: Catalog, recordings: Recordings, words: Translations) -> Iterable[str]:
    """Each point beside the claims that carry it and what was recorded, line by line, in the language of `words`."""
    language = words.language
    for q in bank.in_order():
        yield f"{q.topic}/{q.id}  {q.ask[language]}"
        said: list[tuple[str, Support]] = [(p[language], p) for p in q.points]
        said += [(f"✗ {c.wrong[language]} → {c.right[language]}", c) for c in q.corrections]
        for sentence, support in said:
            mark = verdict(support, catalog, recordings)
            yield f"  {mark.text} {sentence}"
            for claim in support.claims:
                yield from (f"      {line}" for line in _shown(claim, support.kind, catalog, recordings, words))
            if not support.claims:
                yield f"      {mark.why(words)}"
        yield ""


def _shown(
    claim: str, kind: SupportKind, catalog: Catalog, recordings: Recordings, words: Translations
) -> Iterator[str]:
    demo, name = demo_and_claim(claim)
    known = catalog.demos.get(demo)
    sentence = next((c.sentence[words.language] for c in known.claims if c.name == name), "") if known else ""
    mark = claim_verdict(claim, catalog, recordings, kind=kind)
    yield f"{mark.text} {claim}: {sentence or mark.why(words)}"
    if sentence:
        yield f"    {mark.why(words)}"
    run = recordings.best(claim, known)
    for one in run.checks if run else ():
        yield f"    {'✓' if one.held else '✗'}  {one.sentence()}"
