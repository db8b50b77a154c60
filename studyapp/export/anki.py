"""An Anki package: notes that keep their identity, pictures of the evidence, and the learner's progress where asked.

genanki writes the package; what it cannot say (edit times, stable ids, FSRS state, the review log) is then set in its database.
"""

import hashlib
import json
import sqlite3
import tempfile
import zipfile
from contextlib import closing
from pathlib import Path

import genanki

from studyapp.bank.model import Bank
from studyapp.export.card import FIELDS, evidence, fields, tags
from studyapp.export.chart_cache import Pictures
from studyapp.export.note_mtimes import NoteTimes
from studyapp.export.options import ExportOptions, atomic_write, select_questions, titles
from studyapp.lab.recordings import Recordings

MODEL_ID = 1_604_117_351  # for ever: Anki knows the note type by it
DECK_ID = 1_704_229_841
ID_FROM, ID_SPAN = 1_300_000_000_000, 100_000_000_000  # note and card ids look like times of 2011 to 2014
ZIP_DATE = (2000, 1, 1, 0, 0, 0)

FRONT = '<div class="ask">{{Ask}}</div>'
BACK = """{{FrontSide}}<hr id="answer">
{{Brief}}{{Points}}{{Answer}}{{Corrections}}{{Evidence}}{{References}}
"""
STYLE = """.card { font-family: sans-serif; font-size: 18px; text-align: left; max-width: 46em; margin: auto; }
.ask { font-size: 1.25em; font-weight: 600; }
h4 { margin: 1em 0 .3em; color: #777; } summary { font-weight: 600; color: #777; }
.mark { font-weight: 700; } .proof { color: #2a8a3e; } .toy { color: #b07400; } .cite { color: #777; }
table { border-collapse: collapse; margin: .5em 0; } td, th { border: 1px solid #9996; padding: .15em .5em; }
.evidence td { text-align: right; } caption, .where { color: #777; font-size: .85em; }
pre, code { font-size: .9em; } pre { overflow-x: auto; } img { max-width: 100%; } s { color: #999; }
"""


class Note(genanki.Note):  # type: ignore[misc]
    """A note whose identity follows from the question's id and never from its text."""


def guid(question: str) -> str:
    """The identity of a question's note in every collection."""
    return str(genanki.guid_for("studyapp", question))


def export(bank: Bank, recordings: Recordings | None, path: Path, job: ExportOptions) -> int:
    """Write the package and return how many questions it holds; with a store the learner's progress goes along.

    The same bank gives the same notes with the same edit times, so importing again changes nothing that did not change.

    Raises:
        ExportError: where there is nothing to export, the place cannot be written or the table of edits is damaged.
    """
    questions = select_questions(bank, job.topics, job.languages)
    edits = NoteTimes(job.edits_path)
    names = titles(bank, job.languages[0])
    pictures = job.pictures or Pictures()
    pictures.prepare(evidence(recordings, questions))
    model = genanki.Model(
        MODEL_ID,
        "studyapp",
        fields=[{"name": f} for f in FIELDS],
        css=STYLE,
        templates=[{"name": "recall", "qfmt": FRONT, "afmt": BACK}],
    )
    decks: dict[str, genanki.Deck] = {}
    edited: dict[str, int] = {}
    for place, question in enumerate(questions, 1):
        if question.topic not in decks:
            name = f"{job.words('export.deck')}::{names.get(question.topic, question.topic)}"
            decks[question.topic] = genanki.Deck(_number(question.topic, DECK_ID, 1_000_000_000), name)
        made = fields(bank, recordings, question, job.languages, pictures)
        marked = tags(question)
        edited[question.id] = edits.time(question.id, [*made, " ".join(marked)], job.now)
        decks[question.topic].add_note(
            Note(model=model, fields=made, sort_field=question.id, tags=marked, guid=guid(question.id), due=place)
        )
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder) / "base.apkg"
        genanki.Package(list(decks.values())).write_to_file(base, timestamp=1_000_000_000.0)
        with zipfile.ZipFile(base) as made_by_genanki:
            database = Path(made_by_genanki.extract("collection.anki2", folder))
        with closing(sqlite3.connect(database)) as connection, connection:
            ids = _settle(connection, edited)
            if job.store is not None:
                from studyapp.export.progress import write_progress

                write_progress(connection, job.store, ids, job.now)
        with atomic_write(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as package:
            media = dict(enumerate(sorted(pictures.media)))
            entries = {
                "collection.anki2": database.read_bytes(),
                "media": json.dumps(media).encode(),
                **{str(i): pictures.media[name] for i, name in media.items()},
            }
            for name, content in entries.items():
                package.writestr(zipfile.ZipInfo(name, ZIP_DATE), content, zipfile.ZIP_DEFLATED)
    edits.save()
    return len(questions)


def _settle(connection: sqlite3.Connection, edited: dict[str, int]) -> dict[str, int]:
    """Set edit times and ids that follow from the question; the card ids by question."""
    taken: set[int] = set()
    cards: dict[str, int] = {}
    questions = {guid(q): q for q in edited}
    rows = connection.execute(
        "SELECT n.id, n.guid, c.id FROM notes n JOIN cards c ON c.nid = n.id ORDER BY n.guid"
    ).fetchall()
    for note, identity, card in rows:
        question = questions[identity]
        new = _number(question, ID_FROM, ID_SPAN)
        while new in taken:
            new += 1
        taken.add(new)
        connection.execute("UPDATE notes SET id = ?, mod = ? WHERE id = ?", (new, edited[question], note))
        connection.execute("UPDATE cards SET id = ?, nid = ?, mod = ? WHERE id = ?", (new, new, edited[question], card))
        cards[question] = new
    return cards


def _number(text: str, start: int, span: int) -> int:
    return start + int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") % span
