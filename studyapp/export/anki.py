"""An Anki package: notes that keep their identity, pictures of the evidence, and the learner's progress where asked.

genanki writes the package; what it cannot say (edit times, stable ids, FSRS state, the review log) is then set in its database.
"""

import hashlib
import json
import sqlite3
import tempfile
import zipfile
from contextlib import closing
from itertools import count
from pathlib import Path

import genanki

from studyapp.errors import ExportError
from studyapp.export import quiz_notes
from studyapp.export.card import FIELDS, ROOT, deck, fields, tags
from studyapp.export.note_mtimes import NoteTimes
from studyapp.export.options import ExportOptions
from studyapp.export.pictures import Pictures
from studyapp.export.progress import write_progress
from studyapp.export.selection import select_questions
from studyapp.export.writing import STDOUT, atomic_write
from studyapp.render.document import Document

# By these Anki knows again what it has: they are in people's collections and stay for ever.
MODEL_ID, QUIZ_MODEL_ID = 1_604_117_351, 1_604_117_352
DECK_ID, DECK_SPAN = 1_704_229_841, 1_000_000_000
NOTE_ID, NOTE_SPAN = 1_300_000_000_000, 100_000_000_000  # note and card ids look like times of 2011 to 2014

ZIP_DATE = (2000, 1, 1, 0, 0, 0)
CREATED = 1_000_000_000.0

FRONT = '<div class="ask">{{Ask}}</div>'
BACK = """{{FrontSide}}<hr id="answer">
{{Brief}}{{Points}}{{Answer}}{{Corrections}}{{Evidence}}{{References}}
"""
QUIZ_FRONT = '<div class="ask">{{Ask}}</div>{{Options}}'
QUIZ_BACK = '{{FrontSide}}<hr id="answer"><div class="ask">{{Answer}}</div>{{Why}}'
STYLE = """.card { font-family: sans-serif; font-size: 18px; text-align: left; max-width: 46em; margin: auto; }
.ask { font-size: 1.25em; font-weight: 600; }
h4 { margin: 1em 0 .3em; color: #777; } summary { font-weight: 600; color: #777; }
.other { font-size: .9em; font-weight: 400; } .other > summary { font-weight: 400; }
.mark { font-weight: 700; } .success { color: #2a8a3e; } .warning { color: #b07400; } .error { color: #c0392b; } .muted { color: #777; }
table { border-collapse: collapse; margin: .5em 0; } td, th { border: 1px solid #9996; padding: .15em .5em; }
.evidence td { text-align: right; } caption, .where, small { color: #777; font-size: .85em; }
pre, code { font-size: .9em; } pre { overflow-x: auto; } img { max-width: 100%; } s { color: #999; }
"""


def guid(name: str) -> str:
    """The identity of a note in every collection: of a question by its id, of a choice or a number by its `quiz_notes.key`."""
    return str(genanki.guid_for("studyapp", name))


def stable_number(text: str, start: int, span: int) -> int:
    """A number from `start` on that follows from `text` alone."""
    return start + int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") % span


def export(options: ExportOptions) -> int:
    """Write the package and return how many questions it holds; with a store the learner's progress goes along.

    Choices and numbers are notes beside them, each in a deck of its kind under the topic's.

    The same bank gives the same notes with the same edit times, so importing again changes nothing that did not change.

    Raises:
        ExportError: where there is nothing to export, the place cannot be written or the table of edit times is damaged.
    """
    if options.output == STDOUT:
        raise ExportError(options.words("export.no_text"), options.words("export.no_text_hint"))
    documents = [options.document(question) for question in select_questions(options)]
    times = NoteTimes(options.note_times)
    pictures = Pictures()
    decks, edited = _decks(documents, options, pictures, times)
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "collection.anki2"
        with closing(sqlite3.connect(database)) as connection, connection:
            genanki.Package(decks).write_to_db(connection.cursor(), CREATED, count(int(CREATED * 1000)))
            ids = _settle(connection, edited)
            if options.store is not None:
                write_progress(connection, options.store, ids, options.now)
        _pack(options.output, database, pictures)
    times.save()
    return len(documents)


def _decks(
    documents: list[Document], options: ExportOptions, pictures: Pictures, times: NoteTimes
) -> tuple[list[genanki.Deck], dict[str, int]]:
    """The decks with their notes in learning order, and when each note was last edited, by its name."""
    template = {"name": "recall", "qfmt": FRONT, "afmt": BACK}
    model = genanki.Model(MODEL_ID, "studyapp", fields=[{"name": f} for f in FIELDS], css=STYLE, templates=[template])
    asking = {"name": "asked", "qfmt": QUIZ_FRONT, "afmt": QUIZ_BACK}
    names = [{"name": f} for f in quiz_notes.FIELDS]
    quiz = genanki.Model(QUIZ_MODEL_ID, "studyapp quiz", fields=names, css=STYLE, templates=[asking])
    decks: dict[str, genanki.Deck] = {}
    edited: dict[str, int] = {}

    def add(name: str, title: str, model: genanki.Model, content: list[str], labels: list[str], place: int) -> None:
        edited[name] = times.time(name, [*content, " ".join(labels)], options.now)
        note = genanki.Note(model=model, fields=content, sort_field=name, tags=labels, guid=guid(name), due=place)
        if title not in decks:
            decks[title] = genanki.Deck(stable_number(title.removeprefix(f"{ROOT}::"), DECK_ID, DECK_SPAN), title)
        decks[title].add_note(note)

    for place, document in enumerate(documents, 1):
        question = document.question
        add(question.id, deck(question.topic), model, fields(document, options.languages, pictures), tags(document), place)
        if options.progress is not None:
            options.progress(place, len(documents))
    for place, asked in enumerate(options.asked, 1):
        content = quiz_notes.fields(asked, options.bank, options.languages)
        add(quiz_notes.key(asked), quiz_notes.quiz_deck(asked), quiz, content, quiz_notes.tags(asked), place)
    return list(decks.values()), edited


def _pack(path: Path, database: Path, pictures: Pictures) -> None:
    """Zip the collection and its pictures, the same content always to the same bytes."""
    media = dict(enumerate(sorted(pictures.media)))
    entries = {
        "collection.anki2": database.read_bytes(),
        "media": json.dumps(media).encode(),
        **{str(i): pictures.media[name] for i, name in media.items()},
    }
    with atomic_write(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as package:
        for name, content in entries.items():
            package.writestr(zipfile.ZipInfo(name, ZIP_DATE), content, zipfile.ZIP_DEFLATED)


def _settle(connection: sqlite3.Connection, edited: dict[str, int]) -> dict[str, int]:
    """Set edit times and ids that follow from the name of a note; the card ids by it."""
    taken: set[int] = set()
    cards: dict[str, int] = {}
    names = {guid(name): name for name in edited}
    rows = connection.execute(
        "SELECT n.id, n.guid, c.id FROM notes n JOIN cards c ON c.nid = n.id ORDER BY n.guid"
    ).fetchall()
    for note, identity, card in rows:
        name = names[identity]
        new = stable_number(name, NOTE_ID, NOTE_SPAN)
        while new in taken:
            new += 1
        taken.add(new)
        connection.execute("UPDATE notes SET id = ?, mod = ? WHERE id = ?", (new, edited[name], note))
        connection.execute("UPDATE cards SET id = ?, nid = ?, mod = ? WHERE id = ?", (new, new, edited[name], card))
        cards[name] = new
    return cards
