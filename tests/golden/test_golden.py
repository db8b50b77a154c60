"""What leaves the house, to the letter: the files beside this one are what readers, Anki collections and programs hold.

A change here is a change for all of them. Where it is meant: `UPDATE_GOLDEN=1 pytest tests/golden`, look at the difference,
and say in CHANGELOG.md what it does to those who have the old form. The numbers in identity.json never change.
"""

import json
import os
import re
import sqlite3
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import msgspec
import pytest

from studyapp.bank.model import Bank, Correction, Text, Today
from studyapp.evidence.types import Check, Lines, Outcome, Table
from studyapp.export.anki import guid
from studyapp.export.formats import FORMATS
from studyapp.export.options import ExportOptions
from studyapp.i18n import Translations
from studyapp.lab.demo_parser import parse_demo
from studyapp.lab.recordings import Recordings
from studyapp.render.document import document
from tests.export.conftest import CLAIM, NOW, RECORD, RUN, SHOWN, bank_of, judge, question

HERE = Path(__file__).parent
QUESTIONS = ("softmax-overflow", "attention-scaling-sqrt-dk", "mla", "mine:gelu")
TOPICS = ("foundations", "attention", "position", "inference")
DEMO = '''"""One.

一。
"""

from studyapp.evidence import expect, main


def claim_one(n=3):
    """One.

    一。"""
    expect("n", n, equals=n)


if __name__ == "__main__":
    main()
'''


def agrees(name: str, content: str) -> None:
    """Compare with the file of that name, or write it where that is asked for."""
    path = HERE / name
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(content, encoding="utf-8")
    assert content == path.read_text(encoding="utf-8")


class OneTable:
    """A recorded claim whose evidence is a table, which stands in the note itself."""

    def best_run(self, ref: str, demo: object = None) -> object:
        return (RUN, replace(RECORD, evidence=(SHOWN[1],))) if ref == CLAIM else None


def bank() -> Bank:
    """A question with everything that a question can have."""
    first = msgspec.structs.replace(
        question("first", "attention"),
        today=Today(as_of="2026-11", en="Most models do.", zh="多数模型如此。", models=("a-model",)),
        follow_ups=("second",),
        corrections=(
            Correction(
                wrong=Text("it is speed", "为了速度"), right=Text("it is variance", "为了方差"), proof=(CLAIM,), heard=("a note",)
            ),
        ),
        drills=("attention/score_scaling.drill_variance",),
        write=("attention/score_scaling.scale",),
        as_of="2026-11",
        sources=("000_001#scaling",),
    )
    return bank_of([first, question("second", "attention")])


@pytest.fixture
def export(tmp_path: Path) -> Callable[..., Path]:
    """Export the first question in a form."""

    def write(form: str, *languages: str) -> Path:
        known = bank()
        options = ExportOptions(
            bank=known,
            document=lambda q: document(q, known, judge, recordings=OneTable()),  # type: ignore[arg-type]
            output=tmp_path / "out",
            languages=languages,
            words=Translations.load("en"),
            now=NOW,
            ids=("first",),
        )
        FORMATS[form](options)
        return options.output

    return write


def opened(package: Path, folder: Path) -> sqlite3.Connection:
    """The collection of a package."""
    with zipfile.ZipFile(package) as zipped:
        return sqlite3.connect(zipped.extract("collection.anki2", folder))


def test_by_what_anki_knows_a_question_again(tmp_path: Path) -> None:
    """Guid, note and card ids of questions, deck ids and names of topics, and the note type's id: for ever."""
    known = bank_of([question(name, topic) for name, topic in zip(QUESTIONS, TOPICS, strict=True)])
    options = ExportOptions(
        bank=known, document=lambda q: document(q, known, judge), output=tmp_path / "a.apkg", languages=("en",),
        words=Translations.load("en"), now=NOW,
    )  # fmt: skip
    FORMATS["anki"](options)
    collection = opened(options.output, tmp_path)
    rows = collection.execute("SELECT n.sfld, n.guid, n.id, c.id, n.mid, c.did FROM notes n JOIN cards c ON c.nid = n.id")
    names = {int(number): deck["name"] for number, deck in json.loads(collection.execute("SELECT decks FROM col").fetchone()[0]).items()}
    found = {
        name: {"guid": identity, "note": note, "card": card, "note type": model, "deck": deck, "deck name": names[deck]}
        for name, identity, note, card, model, deck in rows
    }
    assert all(found[name]["guid"] == guid(name) for name in QUESTIONS)
    agrees("identity.json", json.dumps({name: found[name] for name in QUESTIONS}, indent=1) + "\n")


def test_a_note_in_anki(export: Callable[..., Path], tmp_path: Path) -> None:
    """Fields, tags and templates: front, back and style of a card with both languages."""
    collection = opened(export("anki", "en", "zh"), tmp_path)
    fields, tags = collection.execute("SELECT flds, tags FROM notes").fetchone()
    (model,) = json.loads(collection.execute("SELECT models FROM col").fetchone()[0]).values()
    by_name = dict(zip([f["name"] for f in model["flds"]], fields.split("\x1f"), strict=True))
    (template,) = model["tmpls"]
    lines = [f"== {name}\n{re.sub('(</(?:div|li|details|p|h4|ul)>)', chr(92) + '1' + chr(10), text)}" for name, text in by_name.items()]
    parts = [*lines, f"== tags\n{tags}", f"== front\n{template['qfmt']}", f"== back\n{template['afmt']}", f"== style\n{model['css']}"]
    agrees("anki_note.html", "\n".join(parts))


def test_a_row_of_the_csv(export: Callable[..., Path]) -> None:
    """The head that Anki reads, and one note."""
    agrees("notes.csv", export("csv", "en").read_text(encoding="utf-8"))


def test_a_json_line(export: Callable[..., Path]) -> None:
    """One question with all its keys, laid out for reading."""
    row = json.loads(export("json", "en", "zh").read_text(encoding="utf-8"))
    agrees("question.json", json.dumps(row, ensure_ascii=False, indent=1) + "\n")


def test_markdown(export: Callable[..., Path]) -> None:
    """One question as it is read."""
    agrees("question.md", export("markdown", "en").read_text(encoding="utf-8"))


def test_a_recording(tmp_path: Path) -> None:
    """What `verify --record` keeps of a demo, with the fingerprint of its source."""
    path = tmp_path / "demos" / "attention" / "one.py"
    path.parent.mkdir(parents=True)
    path.write_text(DEMO, encoding="utf-8")
    check = Check("n", "equals", 1 / 3, 1.0, 0.7, 0.0333333333, True, ("d", 16))
    evidence = (Table(("a", "b"), ((1 / 3, "nan"), (None, True)), "t"), Lines("x", (1, 2), {"y": (0.1, "inf")}, "xy"))
    outcome = Outcome("one", True, 0.123456789, (check,), evidence, parameters={"n": 3})
    recordings = Recordings(tmp_path / "recorded")
    recordings.write(parse_demo(path, []), [outcome], torch="2.13.0", today=date(2026, 11, 24))
    agrees("recording.json", recordings.path("attention/one").read_text(encoding="utf-8"))
