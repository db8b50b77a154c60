from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from anki.collection import Collection, ImportAnkiPackageOptions, ImportAnkiPackageRequest

from studyapp.bank.model import Bank, Correction, Paper, Point, Question, Support, Text, Topic
from studyapp.evidence.types import Check, Lines, Table
from studyapp.export.formats import FORMATS
from studyapp.export.options import ExportOptions
from studyapp.i18n import Translations
from studyapp.lab.recordings import RecordedClaim, RecordedDemo
from studyapp.lab.verdict import Mark
from studyapp.render.document import document

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
CLAIM = "attention/score_scaling.variance_is_dk"


CHECK = Check("Var(q·k/√d)", "equals", 1.01, 1, 0.2, 0.19, True, ("d", 16))
SHOWN = (
    Lines("d", (16, 64), {"方差": (16.1, 63.0)}, "xy", "Var"),
    Table(("d", "<b>"), ((16, 1.5), (64, "x|y"))),
)
RECORD = RecordedClaim("variance_is_dk", True, 0.1, (CHECK,), SHOWN, machine="cpu", date="2026-11-01")
RUN = RecordedDemo("cpu", "2.13.0", "2026-11-01", 0.1, "0", {"variance_is_dk": RECORD})


class Recordings:
    """One recorded claim, held in memory."""

    def best_run(self, ref: str, demo: object = None) -> tuple[RecordedDemo, RecordedClaim] | None:
        return (RUN, RECORD) if ref == CLAIM else None


def judge(support: Support) -> Mark:
    """The recorded claim holds, sources carry what they carry, and the rest was never recorded."""
    if support.kind in ("cite", "none"):
        return Mark(support.kind, "cited" if support.cite else "unsupported", reason="unsupported")
    held = all(claim == CLAIM for claim in support.claims)
    return Mark(support.kind, "held" if held else "unrecorded", reason="held" if held else "unrecorded")


def question(name: str, topic: str, **changes: Any) -> Question:
    made = Question(
        id=name,
        topic=topic,
        level="core",
        ask=Text(f"Why {name}, is a < b & [x]?", f"为什么 {name}？"),
        brief=Text("Because.\n", "因为。\n"),
        answer=Text(
            'Softmax, "quoted", a_b_c.\n\n$$\n\\frac{a}{b} < c\n$$\n\nNext, line.\n', "方差为 1。\n\n$$\nx\n$$\n"
        ),
        points=(
            Point(en="grows in `d`", zh="随 d 增长", proof=(CLAIM,)),
            Point(en="toy", zh="玩具", toy=("a/b.c",)),
            Point(en="history", zh="历史", cite=("vaswani2017 §3.2.1",)),
        ),
        corrections=(
            Correction(wrong=Text("it is speed", "为了速度"), right=Text("it is variance", "为了方差"), proof=(CLAIM,)),
        ),
        tags=("soft max",),
        cites=("vaswani2017 §3",),
    )
    return msgspec.structs.replace(made, **changes)


@pytest.fixture
def bank() -> Bank:
    questions = [question("first", "attention"), question("second", "attention"), question("third", "training")]
    return bank_of(questions)


def bank_of(questions: list[Question]) -> Bank:
    topics = (
        Topic("attention", Text("Attention", "注意力"), ("first", "second")),
        Topic("training", Text("Training", "训练"), ("third",)),
    )
    papers = {
        "vaswani2017": Paper("vaswani2017", "Vaswani et al.", 2017, "Attention Is All You Need", "arXiv:1706.03762")
    }
    return Bank(topics, {q.id: q for q in questions}, papers)


@pytest.fixture
def options(tmp_path: Path) -> Any:
    """What is wanted of an export, with the table of edit times of this test."""

    def make(bank: Bank, name: str = "out", **changes: Any) -> ExportOptions:
        given = {
            "languages": ("en",),
            "words": Translations.load("en"),
            "now": NOW,
            "note_times": tmp_path / "home" / "edits.json",
            "document": lambda q: document(q, bank, judge, recordings=Recordings()),
        } | changes
        return ExportOptions(bank=bank, output=tmp_path / name, **given)

    return make


@pytest.fixture
def write(options: Any) -> Any:
    """Export in a form; the path of what was written."""

    def make(bank: Bank, form: str = "anki", name: str = "out", **changes: Any) -> Path:
        chosen = options(bank, name, **changes)
        FORMATS[form](chosen)
        return chosen.output

    return make


@pytest.fixture
def anki(tmp_path: Path) -> Iterator[Collection]:
    collection = Collection(str(tmp_path / "anki.anki2"))
    collection.set_config("fsrs", True)
    yield collection
    collection.close()


def take(anki: Collection, path: Path, progress: bool = False) -> Any:
    options = ImportAnkiPackageOptions(with_scheduling=progress, with_deck_configs=False)
    return anki.import_anki_package(ImportAnkiPackageRequest(package_path=str(path), options=options)).log
