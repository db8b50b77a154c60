"""A text file that Anki imports by itself: its `#` lines say what each column is."""

import csv
import io

from studyapp.export.anki import guid
from studyapp.export.card import FIELDS, deck, fields, tags
from studyapp.export.options import ExportOptions
from studyapp.export.selection import select_questions
from studyapp.export.writing import write_text

HEAD = """#separator:Comma
#html:true
#notetype:studyapp
#if matches:update current
#guid column:1
#deck column:2
#tags column:3
#for:Anki, which has the note type once an apkg of studyapp was imported; the cells are HTML
"""


def export(options: ExportOptions) -> int:
    """Write the CSV and return how many questions it holds; progress, edit times and pictures have no place in it."""
    questions = select_questions(options)
    out = io.StringIO()
    out.write(f"{HEAD}#columns:{','.join(['Guid', 'Deck', 'Tags', *FIELDS])}\n")
    rows = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL)
    for question in questions:
        document = options.document(question)
        note = fields(document, options.languages)
        rows.writerow([guid(question.id), deck(question.topic), " ".join(tags(document)), *note])
    write_text(options.output, out.getvalue())
    return len(questions)
