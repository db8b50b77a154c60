"""The rules of the files that all questions share: topics, papers, terms, models, headings of the notes."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from studyapp.bank.model import Bank, Finding
from studyapp.bank.models import fold

ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
MODEL_ID = re.compile(r"[a-z0-9]+([.-][a-z0-9]+)*")
PAPER_ID = re.compile(r"arXiv:(\d{4}\.\d{4,5}|[a-z-]+(\.[A-Z]{2})?/\d{7})|doi:10\.\d{4,9}/\S+|https?://\S+")
VERSION = re.compile(r"v[1-9]\d*")
READ = re.compile(r"full|section|abstract|secondary|code@[0-9a-f]{7,40}")


def shared_findings(bank: Bank) -> Iterator[Finding]:
    """All that is wrong with those files."""
    for rule in (topics, papers, terms, models, headings):
        yield from rule(bank)


def shared_file(bank: Bank, name: str) -> Path:
    """The path of one of the files that all questions share, as far as it can be told from theirs."""
    main = [q.path.parent.parent for q in bank.questions.values() if ":" not in q.id]
    return (main[0] if main else Path()) / name


def topics(bank: Bank) -> Iterator[Finding]:
    path = shared_file(bank, "topics.yaml")
    listed = Counter(q for t in bank.topics for q in t.questions)
    for id, times in listed.items():
        if times > 1:
            yield _at(path, id, "is listed twice", "keep one")
        if ":" not in id and not ID.fullmatch(id):  # files of a personal bank may be called otherwise
            yield _at(path, id, "is not an id", "use small letters, digits and hyphens")
    for topic in bank.topics:
        for id in topic.questions:
            if id in bank.questions and bank.questions[id].topic != topic.id and ":" not in id:
                where = bank.questions[id].topic
                yield _at(path, id, f"is listed under {topic.id} and stands in {where}/", "move one of the two")


def papers(bank: Bank) -> Iterator[Finding]:
    path = shared_file(bank, "papers.yaml")
    seen: dict[str, str] = {}
    for key, paper in bank.papers.items():
        if not PAPER_ID.fullmatch(paper.id):
            yield _at(path, key, f"«{paper.id}» cannot be looked up", "write arXiv:2101.00001, doi:10.… or an address")
        elif (first := seen.setdefault(paper.id.casefold(), key)) != key:
            yield _at(path, key, f"is the same source as {first}", "keep one key")
        if paper.version and not (VERSION.fullmatch(paper.version) and paper.id.startswith("arXiv:")):
            yield _at(path, key, f"«{paper.version}» is no version of {paper.id}", "write v1 …, for arXiv ids alone")
        if paper.read and not READ.fullmatch(paper.read):
            hint = "one of full, section, abstract, secondary, code@1a2b3c4"
            yield _at(path, key, f"«{paper.read}» does not say how far it was read", hint)


def models(bank: Bank) -> Iterator[Finding]:
    """Ids are slugs, and no two rows answer to one name; what a row must hold is asked when it is read."""
    path = shared_file(bank, "models.yaml")
    owner: dict[str, str] = {}
    for id, model in bank.models.items():
        if not MODEL_ID.fullmatch(id):
            yield _at(path, id, "is not an id", "use small letters, digits, hyphens and points")
        for name in model.names:
            if (first := owner.setdefault(fold(name), id)) != id:
                yield _at(path, id, f"answers to «{name}», as {first} does", "keep the name in one row")


def terms(bank: Bank) -> Iterator[Finding]:
    path = shared_file(bank, "terms.yaml")
    for en, times in Counter(t.en.casefold() for t in bank.terms).items():
        if times > 1:
            yield _at(path, en, "stands twice", "keep one")


def headings(bank: Bank) -> Iterator[Finding]:
    path = shared_file(bank, "sources.yaml")
    answered = {s for q in bank.questions.values() for s in q.sources}
    for id, source in bank.sources.items():
        if source.left_out and id in answered:
            yield _at(path, id, "is said to be left out, and a question answers it", "remove left_out")
    waiting = [id for id, s in bank.sources.items() if not s.left_out and id not in answered]
    if waiting:
        some = ", ".join(waiting[:3]) + (" …" if len(waiting) > 3 else "")
        problem = f"{len(waiting)} headings of the notes wait for an answer: {some}"
        yield Finding(path, 1, "", problem, "name them under `sources` of a question", warning=True, group="backlog")


def _at(path: Path, key: str, problem: str, hint: str) -> Finding:
    """A finding on the last line of a shared file that begins with `key`, where it can be read."""
    line = 1
    if path.is_file():
        for number, content in enumerate(path.read_text("utf-8", errors="replace").splitlines(), 1):
            if key in re.split(r"[\s,'{}\[\]]+|:(?=\s)", content):
                line = number
    return Finding(path, line, key, problem, hint)
