"""A document as plain values for JSON; `show --json` and the JSON lines export write the same. docs/json.md has the form."""

from collections.abc import Sequence
from typing import Any

from studyapp.bank.model import LANGUAGES, Text
from studyapp.evidence.types import to_json
from studyapp.render.document import (
    ClaimEvidence,
    Correction,
    Document,
    Models,
    Reference,
    Statement,
)


def as_dict(document: Document, languages: Sequence[str] = LANGUAGES) -> dict[str, Any]:
    """All of a question and what its claims recorded. A key that has nothing to say is there and empty."""
    question = document.question

    def both(text: Text) -> dict[str, str]:
        return {language: text[language] for language in languages}

    def statement(one: Statement) -> dict[str, Any]:
        kinds: dict[str, list[str]] = {"proof": [], "toy": [], "cite": list(one.cites)}
        if one.claims:
            kinds["toy" if one.mark.kind == "toy" else "proof"] = list(one.claims)
        return {**both(one.text), **kinds, "state": one.mark.state}

    def corrected(one: Correction) -> dict[str, Any]:
        right = statement(one.right)
        support = {key: value for key, value in right.items() if key not in LANGUAGES}
        return {"wrong": both(one.wrong), "right": both(one.right.text), "heard": list(one.heard), **support}

    today: dict[str, Any] | None = None
    if question.today is not None:
        named = next((b for b in document.section("today") if isinstance(b, Models) and b.known), None)
        today = {
            "as_of": question.today.as_of,
            **{language: question.today[language] for language in languages},
            "cites": list(question.today.cites),
            "models": list(question.today.models),
            "table": {x: to_json(table) for x in languages if (table := named.table(x))} if named else None,
        }
    return {
        "id": question.id,
        "topic": question.topic,
        "topic_title": both(document.topic_title),
        "level": question.level,
        "as_of": question.as_of,
        "ask": both(question.ask),
        "brief": both(question.brief),
        "answer": both(question.answer),
        "points": [statement(b) for b in document.section("points") if isinstance(b, Statement)],
        "today": today,
        "corrections": [corrected(b) for b in document.section("corrections") if isinstance(b, Correction)],
        "follow_ups": list(question.follow_ups),
        "tags": list(question.tags),
        "cites": list(question.cites),
        "sources": list(question.sources),
        "drills": list(question.drills),
        "write": list(question.write),
        "starred": document.annotation.starred,
        "note": document.annotation.note,
        "supersedes": list(question.supersedes),
        "references": [str(b) for b in document.section("references") if isinstance(b, Reference)],
        "recorded": {item.claim: _recorded(item, languages) for item in document.evidence() if item.record is not None},
    }


def _recorded(item: ClaimEvidence, languages: Sequence[str]) -> dict[str, Any]:
    run, record = item.run, item.record
    assert run is not None and record is not None
    return {
        "sentence": {language: item.sentence[language] for language in languages} if item.sentence else None,
        "state": item.mark.state,
        "machine": run.machine,
        "torch": run.torch,
        "date": run.date,
        "held": record.held,
        "skipped": record.skipped,
        "checks": [to_json(check) for check in record.checks],
        "evidence": [to_json(shown) for shown in record.evidence],
    }
