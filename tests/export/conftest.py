from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from studyapp.bank.model import Bank, Correction, Paper, Point, Question, Text, Topic
from studyapp.evidence.types import Check, Lines, Table
from studyapp.export import FORMATS
from studyapp.export.options import ExportOptions
from studyapp.i18n import Translations
from studyapp.lab.recordings import RecordedClaim, RecordedDemo

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
CLAIM = "attention/score_scaling.variance_is_dk"


class Recordings:
    """Recorded runs held in memory."""

    def __init__(self) -> None:
        check = Check("Var(q·k/√d)", "equals", 1.01, 1, 0.2, 0.19, True, ("d", 16))
        shown = (
            Lines("d", (16, 64), {"方差": (16.1, 63.0)}, "xy", "Var"),
            Table(("d", "<b>"), ((16, 1.5), (64, "x|y"))),
        )
        self.claim = RecordedClaim(
            "variance_is_dk", True, 0.1, (check,), shown, machine="cpu", date=str(date(2026, 11, 1))
        )
        self.demo = RecordedDemo("cpu", "2.13.0", "2026-11-01", 0.1, "0", {"variance_is_dk": self.claim})

    def best(self, claim_ref: str) -> RecordedClaim | None:
        return self.claim if claim_ref == CLAIM else None

    def get(self, demo_name: str, machine: str = "cpu") -> RecordedDemo | None:
        return self.demo if CLAIM.startswith(demo_name) and machine == "cpu" else None


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
def write(tmp_path: Path) -> Any:
    """Export in a form, with the edit table of this test."""

    def make(bank: Bank, form: str = "anki", name: str = "out", **changes: Any) -> Path:
        path = tmp_path / name
        given = {
            "languages": ("en", "zh"),
            "topics": (),
            "words": Translations.load("en"),
            "now": NOW,
            "edits_path": tmp_path / "home" / "edits.json",
        } | changes
        FORMATS[form](bank, Recordings(), path, ExportOptions(**given))
        return path

    return make
