"""A text file that Anki imports by itself: its `#` lines say what each column is."""

import csv as writer
import io
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from studyapp.bank.model import Bank
from studyapp.export.anki import guid
from studyapp.export.card import FIELDS, fields, tags
from studyapp.export.common import chosen, titles, write_text
from studyapp.lab.recorded import Recordings
from studyapp.words import Words


def export(
    bank: Bank,
    recordings: Recordings | None,
    path: Path,
    *,
    languages: Sequence[str],
    topics: Sequence[str] | None = None,
    store: Any = None,
    words: Words,
    now: datetime,
    edits_path: Path | None = None,
) -> int:
    """Write the CSV and return how many questions it holds; progress and edit times have no place in it."""
    del store, now, edits_path
    questions = chosen(bank, topics, languages)
    names = titles(bank, languages[0])
    out = io.StringIO()
    columns = ["Guid", "Deck", "Tags", *FIELDS]
    out.write(
        "#separator:Comma\n#html:true\n#notetype:studyapp\n#if matches:update current\n#guid column:1\n#deck column:2\n#tags column:3\n"
    )
    out.write(f"#columns:{','.join(columns)}\n")
    rows = writer.writer(out, lineterminator="\n", quoting=writer.QUOTE_ALL)
    for question in questions:
        deck = f"{words('export.deck')}::{names.get(question.topic, question.topic)}"
        made = fields(bank, recordings, question, languages)
        rows.writerow([guid(question.id), deck, " ".join(tags(question)), *made])
    write_text(path, out.getvalue())
    return len(questions)
