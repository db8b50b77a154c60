"""Recorded runs come back as they were, and change only for a reason."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from studyapp.errors import DemoError
from studyapp.evidence.types import Check, Lines, Outcome, Table
from studyapp.lab.demo import Demo
from studyapp.lab.recordings import Recordings

BODY = '''def claim_one(n=3):
    """One.

    一。"""
    expect("n", n, equals=n)


@needs("cuda")
def claim_two():
    """Two.

    二。"""
    expect("n", 1, equals=1)
'''
CHECK = Check("n", "equals", 1 / 3, 1.0, 0.7, 0.0333333333, True, ("d", 16))
ONE = Outcome(
    "one",
    True,
    0.123456789,
    (CHECK,),
    (Table(("a", "b"), ((1 / 3, "nan"), (None, True))), Lines("x", (1, 2), {"y": (0.1, "inf")}, "xy")),
    parameters={"n": 3},
)
TWO = Outcome("two", False, 0.0, skipped="cuda")
DAY = date(2026, 11, 24)


@pytest.fixture
def demo(write: Callable[..., Demo]) -> Demo:
    return write(BODY)


def test_a_run_comes_back_with_six_digits(tmp_path: Path, demo: Demo) -> None:
    """What was written is read again, floats to six digits, nan and inf as words."""
    kept = Recordings(tmp_path / "recorded")
    assert kept.get(demo.name) is None
    assert kept.best(f"{demo.name}.one") is None
    assert kept.write(demo, [ONE, TWO], torch="2.13.0", today=DAY)
    run = kept.get(demo.name)
    assert run is not None
    assert (run.machine, run.torch, run.date, run.stale(demo)) == ("cpu", "2.13.0", "2026-11-24", False)
    one = run.claims["one"]
    assert one.checks == (replace(CHECK, got=0.333333, margin=0.0333333),)
    assert one.evidence == (Table(("a", "b"), ((0.333333, "nan"), (None, True))), ONE.evidence[1])
    assert (one.seconds, run.claims["two"].skipped) == (0.123457, "cuda")
    assert run.stale(replace(demo, source=demo.source + "\nother = 1\n"))


def test_only_a_reason_rewrites_the_file(tmp_path: Path, demo: Demo) -> None:
    """Other raw numbers leave the file alone; another source or outcome of a check does not."""
    kept = Recordings(tmp_path / "recorded")
    kept.write(demo, [ONE, TWO], torch="2.13.0", today=DAY)
    before = kept.path(demo.name).read_bytes()
    other = replace(ONE, checks=(replace(CHECK, got=0.34, margin=0.04),), seconds=9.0)
    assert not kept.write(demo, [other, TWO], torch="2.14.0", today=date(2027, 1, 1))
    assert kept.path(demo.name).read_bytes() == before
    broken = replace(ONE, held=False, checks=(replace(CHECK, got=9.0, margin=-8.0, held=False),))
    assert kept.write(demo, [broken, TWO], torch="2.14.0", today=date(2027, 1, 1))
    assert kept.write(replace(demo, source=demo.source + "\nnew = 1\n"), [broken, TWO], torch="2.14.0", today=date(2027, 1, 2))
    assert [p.name for p in kept.path(demo.name).parent.iterdir()] == ["sample.json"]


def test_the_best_recording_is_one_that_ran(tmp_path: Path, demo: Demo) -> None:
    """A claim skipped on the processor is shown from the card it ran on, with its date."""
    kept = Recordings(tmp_path / "recorded")
    kept.write(demo, [ONE, TWO], torch="2.13.0", today=DAY)
    kept.write(
        demo,
        [ONE, replace(TWO, held=True, skipped="", checks=(CHECK,))],
        torch="2.13.0",
        today=date(2026, 1, 2),
        machine="nvidia-h200",
    )
    one, two = kept.best(f"{demo.name}.one"), kept.best(f"{demo.name}.two")
    assert one is not None and two is not None
    assert (one.machine, two.machine, two.date, two.held) == ("cpu", "nvidia-h200", "2026-01-02", True)
    assert kept.machines() == ["cpu", "nvidia-h200"]
    (kept.folder / "amd-mi300x").mkdir()
    assert kept.machines() == ["cpu", "amd-mi300x", "nvidia-h200"], "a machine that comes later is seen"


def test_a_damaged_file_is_no_recording(tmp_path: Path, demo: Demo) -> None:
    """Half a file reads as nothing recorded, and the next run mends it."""
    kept = Recordings(tmp_path / "recorded")
    kept.write(demo, [ONE], torch="2.13.0", today=DAY)
    kept.path(demo.name).write_text('{"machine": "cpu", "cla')
    assert kept.get(demo.name) is None
    assert kept.write(demo, [ONE], torch="2.13.0", today=DAY)
    assert kept.get(demo.name) is not None


def test_an_unwritable_folder_is_an_error_with_a_hint(tmp_path: Path, demo: Demo) -> None:
    """Where the folder cannot be made, the reader is told which."""
    (tmp_path / "recorded").write_text("a file in the way")
    with pytest.raises(DemoError, match="cannot be written"):
        Recordings(tmp_path / "recorded").write(demo, [ONE], torch="2.13.0", today=DAY)


def test_a_file_is_read_once_and_again_when_it_has_changed(tmp_path: Path, demo: Demo) -> None:
    """The same object comes back until something else was recorded."""
    kept, elsewhere = Recordings(tmp_path / "recorded"), Recordings(tmp_path / "recorded")
    kept.write(demo, [ONE, TWO], torch="2.13.0", today=DAY)
    first = kept.get(demo.name)
    assert first is not None and kept.get(demo.name) is first
    assert elsewhere.write(demo, [replace(ONE, seconds=9.0), TWO], torch="3", today=DAY, always=True)
    second = kept.get(demo.name)
    assert second is not None and second.torch == "3"
