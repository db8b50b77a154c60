"""JSON lines: one question a line, with what its demos recorded. docs/json.md has the form."""

import json

from studyapp.export.options import ExportOptions
from studyapp.export.selection import select_questions
from studyapp.export.writing import write_text
from studyapp.render.document_json import as_dict


def export(options: ExportOptions) -> int:
    """Write the file and return how many questions it holds; with a store, each with where its card stands."""
    questions = select_questions(options)
    cards = options.store.cards() if options.store is not None else {}
    lines = []
    for question in questions:
        row = as_dict(options.document(question), options.languages)
        if (card := cards.get(question.card_id)) is not None:
            row["card"] = {
                "state": card.state,
                "stability": card.stability,
                "difficulty": card.difficulty,
                "reps": card.reps,
                "lapses": card.lapses,
                "due_day": card.due_day,
                "suspended": card.suspended,
            }
        lines.append(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")
    write_text(options.output, "".join(lines))
    return len(questions)
