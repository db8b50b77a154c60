"""JSON lines: one question a line, with what its demos recorded."""

import json as encoder
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from studyapp.bank.model import Bank, Question
from studyapp.evidence.types import to_json
from studyapp.export.options import ExportOptions, recorded, references, select_questions, titles, write_text
from studyapp.lab.recordings import Recordings


def export(bank: Bank, recordings: Recordings | None, path: Path, job: ExportOptions) -> int:
    """Write the file and return how many questions it holds; with a store, each with where its card stands."""
    questions = select_questions(bank, job.topics, job.languages)
    names = {x: titles(bank, x) for x in job.languages}
    cards = job.store.cards() if job.store is not None else {}
    lines = []
    for question in questions:
        made = _question(bank, recordings, question, job.languages)
        made["topic_title"] = {x: names[x].get(question.topic, question.topic) for x in job.languages}
        if (card := cards.get(question.card_id)) is not None:
            made["card"] = {
                "state": card.state,
                "stability": card.stability,
                "difficulty": card.difficulty,
                "reps": card.reps,
                "lapses": card.lapses,
                "due_day": card.due_day,
                "suspended": card.suspended,
            }
        lines.append(encoder.dumps(made, ensure_ascii=False, allow_nan=False) + "\n")
    write_text(path, "".join(lines))
    return len(questions)


def _question(
    bank: Bank, recordings: Recordings | None, question: Question, languages: Sequence[str]
) -> dict[str, Any]:
    def said(text: Any) -> dict[str, str]:
        return {x: text[x] for x in languages}

    evidence = {}
    for claim in question.claims:
        if (found := recorded(recordings, claim)) is not None:
            demo, record = found
            evidence[claim] = {
                "machine": demo.machine,
                "torch": demo.torch,
                "date": demo.date,
                "held": record.held,
                "skipped": record.skipped,
                "checks": [to_json(c) for c in record.checks],
                "evidence": [to_json(e) for e in record.evidence],
            }
    return {
        "id": question.id,
        "topic": question.topic,
        "level": question.level,
        "as_of": question.as_of,
        "ask": said(question.ask),
        "brief": said(question.brief),
        "answer": said(question.answer),
        "points": [said(p) | {p.kind: list(p.claims or p.cite)} for p in question.points],
        "corrections": [
            {"wrong": said(c.wrong), "right": said(c.right), c.kind: list(c.claims or c.cite)}
            for c in question.corrections
        ],
        "follow_ups": list(question.follow_ups),
        "tags": list(question.tags),
        "references": references(bank, question),
        "recorded": evidence,
    }
