"""A text file that Anki imports by itself: its `#` lines say what each column is."""

import csv as writer
import io
from pathlib import Path

from studyapp.bank.model import Bank
from studyapp.export.anki import guid
from studyapp.export.card import FIELDS, fields, tags
from studyapp.export.options import ExportOptions, select_questions, titles, write_text
from studyapp.lab.recordings import Recordings


def export(bank: Bank, recordings: Recordings | None, path: Path, job: ExportOptions) -> int:
    """Write the CSV and return how many questions it holds; progress and edit times have no place in it."""
    questions = select_questions(bank, job.topics, job.languages)
    names = titles(bank, job.languages[0])
    out = io.StringIO()
    columns = ["Guid", "Deck", "Tags", *FIELDS]
    out.write(
        "#separator:Comma\n#html:true\n#notetype:studyapp\n#if matches:update current\n#guid column:1\n#deck column:2\n#tags column:3\n"
    )
    out.write(f"#columns:{','.join(columns)}\n")
    rows = writer.writer(out, lineterminator="\n", quoting=writer.QUOTE_ALL)
    for question in questions:
        deck = f"{job.words('export.deck')}::{names.get(question.topic, question.topic)}"
        made = fields(bank, recordings, question, job.languages)
        rows.writerow([guid(question.id), deck, " ".join(tags(question)), *made])
    write_text(path, out.getvalue())
    return len(questions)
