"""A text file that Anki imports by itself: its `#` lines say what each column is.

Where Anki knows the note type `studyapp`, its fields take the columns of their names. Where it does not, Anki takes the note
type that was used last, as a rule Basic, and maps by name again: so the last two columns are called as Basic calls its two
fields, in the language of the export, and hold the question and the whole answer. The question stands first for a note type
of yet other names: Anki gives its first field the first column.
"""

import csv
import io

from studyapp.export.anki import guid
from studyapp.export.card import FIELDS, deck, fields, tags
from studyapp.export.options import ExportOptions
from studyapp.export.selection import select_questions
from studyapp.export.writing import write_text
from studyapp.i18n import Translations

HEAD = """#separator:Comma
#html:true
#notetype:studyapp
#if matches:update current
#guid column:2
#deck column:3
#tags column:4
#for:Anki; the cells are HTML, and the last two columns are a whole card for the note type Basic
"""
ASK, ANSWER = 0, slice(1, -1)
"""Of FIELDS: the question, and what a card shows behind it."""


def export(options: ExportOptions) -> int:
    """Write the CSV and return how many questions it holds; progress, edit times and pictures have no place in it."""
    questions = select_questions(options)
    words = Translations.load(options.languages[0])
    names = (FIELDS[ASK], "Guid", "Deck", "Tags", *FIELDS[1:], words("export.anki_front"), words("export.anki_back"))
    out = io.StringIO()
    out.write(f"{HEAD}#columns:{','.join(names)}\n")
    rows = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL)
    for question in questions:
        document = options.document(question)
        note = fields(document, options.languages)
        identity = (guid(question.id), deck(question.topic), " ".join(tags(document)))
        rows.writerow([note[ASK], *identity, *note[1:], note[ASK], "".join(note[ANSWER])])
    write_text(options.output, out.getvalue())
    return len(questions)
