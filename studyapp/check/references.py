"""Whatever a question refers to exists: claims, papers with the place read, questions, headings, models, drills, exercises."""

import re
from collections.abc import Collection, Iterator, Sequence
from typing import Literal

from studyapp.bank.model import Bank, Question, Support
from studyapp.bank.refs import demo_and_claim
from studyapp.errors import did_you_mean
from studyapp.lab.catalog import Catalog

POINTS = (3, 6)
PLACE = re.compile(r"§|\b(?:Table|Fig|Figure|App|Appendix|Eq|Equation|Section|Sec|Algorithm|Theorem|Lemma|Prop|p|pp)\b")
VERSION = re.compile(r"v[1-9]\d*")
READ_FAR = ("full", "section", "code@")

Problem = tuple[str, str, str, Literal["finding", "backlog"]]
"""Key, problem, hint, and whether it fails the check or is planned."""


def reference_problems(question: Question, bank: Bank, catalog: Catalog, *, own: bool) -> Iterator[Problem]:
    """All references that lead nowhere. Of an `own` question neither support nor pinned papers are demanded."""
    low, high = POINTS
    if not own and not low <= len(question.points) <= high:
        yield "points", f"are {len(question.points)}", f"write {low} to {high}", "finding"
    yield from _supports("points", question.points, bank, catalog, own)
    yield from _supports("corrections", question.corrections, bank, catalog, own)
    yield from _cited("cites", question.cites, bank, own)
    if question.today:
        yield from _cited("today.cites", question.today.cites, bank, own)
        yield from _known("today.models", question.today.models, bank.models, "models.yaml")
    for i, correction in enumerate(question.corrections):
        yield from _heard(f"corrections[{i}].heard", correction.heard, bank, own)
    yield from _follow_ups(question, bank)
    yield from _known("sources", question.sources, bank.sources, "sources.yaml")
    yield from _functions("drills", question.drills, catalog)
    yield from _functions("write", question.write, catalog)


def _supports(name: str, supported: Sequence[Support], bank: Bank, catalog: Catalog, own: bool) -> Iterator[Problem]:
    for i, one in enumerate(supported):
        kinds = [kind for kind in ("proof", "toy", "cite") if getattr(one, kind)]
        if len(kinds) > 1 or not (kinds or own):
            has = " and ".join(kinds) or "nothing"
            yield f"{name}[{i}]", f"is carried by {has}", "give exactly one of proof, toy and cite", "finding"
        for kind in ("proof", "toy"):
            for j, claim in enumerate(getattr(one, kind)):
                yield from _claim(f"{name}[{i}].{kind}[{j}]", claim, catalog)
        yield from _cited(f"{name}[{i}].cite", one.cite, bank, own)


def _claim(key: str, claim: str, catalog: Catalog) -> Iterator[Problem]:
    demo, name = demo_and_claim(claim)
    if demo not in catalog.demos:
        yield key, f"there is no demo {demo}", did_you_mean(demo, catalog.demos), "finding"
    elif name not in (known := [c.name for c in catalog.demos[demo].claims]):
        hint = did_you_mean(name, known) or f"it has {', '.join(known)}"
        yield key, f"{demo} has no claim {name or '(none named)'}", hint, "finding"


def _cited(key: str, cites: Sequence[str], bank: Bank, own: bool, start: int = 0) -> Iterator[Problem]:
    for i, cite in enumerate(cites, start):
        name, _, place = cite.partition(" ")
        paper = bank.papers.get(name)
        if paper is None:
            hint = did_you_mean(name, bank.papers) or "look it up and add it"
            yield f"{key}[{i}]", f"{name} is not in papers.yaml", hint, "finding"
            continue
        version = place.split(" ")[0] if VERSION.fullmatch(place.split(" ")[0]) else ""
        if version and paper.version != version:
            has = f"has {paper.version}" if paper.version else "names no version"
            yield f"{key}[{i}]", f"cites {version} of {name}, and papers.yaml {has}", "cite the version that was read", "finding"
        elif PLACE.search(place) and not own:
            yield from _pinned(f"{key}[{i}]", cite, paper.id, paper.version, paper.read)


def _pinned(key: str, cite: str, id: str, version: str, read: str) -> Iterator[Problem]:
    lacks = [] if version or not id.startswith("arXiv:") else ["names no version"]
    if not read.startswith(READ_FAR):
        lacks.append("does not say that the place was read" if not read else f"says that only its {read} was read")
    if lacks:
        yield key, f"«{cite}» names a place, and papers.yaml {' and '.join(lacks)}", "look it up, then pin it there", "finding"


def _heard(key: str, places: Sequence[str], bank: Bank, own: bool) -> Iterator[Problem]:
    """Where a belief stands: a heading of the notes, or a paper."""
    for i, place in enumerate(places):
        if "#" not in place:
            yield from _cited(key, (place,), bank, own, i)
        elif place not in bank.sources:
            yield f"{key}[{i}]", f"{place} is not in sources.yaml", did_you_mean(place, bank.sources), "finding"


def _follow_ups(question: Question, bank: Bank) -> Iterator[Problem]:
    planned = {i for t in bank.topics for i in t.questions}
    for i, other in enumerate(question.follow_ups):
        key = f"follow_ups[{i}]"
        if other == question.id:
            yield key, "follows itself", "remove it", "finding"
        elif other not in bank.questions and other in planned:
            yield key, f"{other} is planned and has no file yet", "", "backlog"
        elif other not in bank.questions:
            yield key, f"there is no question {other}", did_you_mean(other, {*bank.questions, *planned}), "finding"


def _known(key: str, names: Sequence[str], known: Collection[str], file: str) -> Iterator[Problem]:
    for i, name in enumerate(names):
        if name not in known:
            yield f"{key}[{i}]", f"{name} is not in {file}", did_you_mean(name, known), "finding"


def _functions(key: str, references: Sequence[str], catalog: Catalog) -> Iterator[Problem]:
    """`drills` and `write` name a demo, a point, and what the demo offers under that name."""
    offered = "drill" if key == "drills" else "exercise"
    for i, reference in enumerate(references):
        name, _, function = reference.partition(".")
        demo = catalog.demos.get(name)
        if demo is None:
            yield f"{key}[{i}]", f"there is no demo {name}", did_you_mean(name, catalog.demos), "finding"
        elif function not in (names := [f.name for f in (demo.drills if key == "drills" else demo.exercises)]):
            hint = did_you_mean(function, names) or (f"it has {', '.join(names)}" if names else f"it has no {offered}")
            yield f"{key}[{i}]", f"{name} has no {offered} {function or '(none named)'}", hint, "finding"
