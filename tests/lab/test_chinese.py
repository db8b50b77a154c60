"""A demo's evidence in Chinese, and what of it lacks its Chinese."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

from studyapp.bank.model import Term
from studyapp.evidence import table
from studyapp.evidence.types import Check, Outcome
from studyapp.lab.chinese import labels, missing_labels
from studyapp.lab.demo import Demo
from studyapp.lab.recordings import Recordings

SOURCE = '''def claim_one():
    """It is so.

    如此。"""
    expect("bytes kept", 1, equals=1)


ZH = {"bytes kept": "保存的字节数"}
'''
TERMS = [Term("variance", "方差")]


def test_labels_come_from_the_demo_and_the_terms(write: Callable[..., Demo]) -> None:
    """The demo's own table is asked first, then the bank's terms."""
    chinese = labels(write(SOURCE), TERMS)
    assert (chinese("bytes kept"), chinese("Variance"), chinese("speed")) == ("保存的字节数", "方差", "speed")


def test_what_recorded_evidence_lacks_is_a_finding(write: Callable[..., Demo], tmp_path: Path) -> None:
    """Labels that were recorded from the present source and have no Chinese are named; older recordings are not asked."""
    demo, kept = write(SOURCE), Recordings(tmp_path / "recorded")
    assert list(missing_labels(demo, TERMS, kept)) == []
    shown = (table({"variance": [1], "speed": [2]}),)
    ran = Outcome("one", True, 0.1, (Check("bytes kept", "equals", 1, 1, 0, 0, True),), shown)
    kept.write(demo, [ran], torch="2", today=date(2026, 11, 26))
    (finding,) = missing_labels(demo, TERMS, kept)
    assert (finding.key, finding.path) == ("ZH", demo.path)
    assert finding.problem == "has no Chinese for 1 labels: «speed»"
    changed = write(SOURCE + "\n\ndef other():\n    return 2\n")
    assert list(missing_labels(changed, TERMS, kept)) == []
