"""The card and the claims beside it draw the same verdict, whatever was recorded or ran."""

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from studyapp.evidence.types import Check, Outcome
from studyapp.lab.catalog import Catalog
from studyapp.lab.recordings import Recordings
from studyapp.tui.widgets.evidence_text import EvidenceText
from studyapp.tui.widgets.points import Points

DEMO = "attention/score_scaling"
PROOF, TOY = "variance_is_dk", "softmax_saturates"
CHECK = Check("Var/d", "equals", 1.01, 1, 0.2, 0.19, True, ("d", 16))


def record(demos: Path, *outcomes: Outcome, machine: str = "cpu", stale: bool = False) -> None:
    """Leave nothing recorded but these."""
    demo, recordings = Catalog.load(demos).demos[DEMO], Recordings(demos / "recorded")
    if machine == "cpu":
        recordings.path(DEMO).unlink(missing_ok=True)
    source = replace(demo, source=demo.source + "\nolder = 1\n") if stale else demo
    if outcomes:
        recordings.write(source, outcomes, torch="2.13.0", today=date(2026, 11, 2), machine=machine)


def held(claim: str) -> Outcome:
    return Outcome(claim, True, 0.1, (CHECK,))


def marks(app: Any) -> tuple[list[str], list[str]]:
    """Those of the first two points, a proof and a toy, and those of their claims beside them."""
    points = [row.mark for row in app.screen.query_one(Points).rows]
    evidence = app.screen.query_one(EvidenceText)
    return points[:2], [evidence.page(f"{DEMO}.{claim}").mark for claim in (PROOF, TOY)]


async def shown(app: Any, keys: list[str]) -> tuple[list[str], list[str]]:
    async with app.run_test(size=(140, 45)) as pilot:
        for key in keys:
            await pilot.press(key)
            await app.workers.wait_for_complete()
            await pilot.pause()
        return marks(app)


@pytest.mark.parametrize(
    ("outcomes", "machine", "stale", "expected"),
    [
        ([held(PROOF), held(TOY)], "cpu", False, ["✓", "≈"]),
        ([], "cpu", False, ["?", "?"]),
        ([replace(held(PROOF), held=False), held(TOY)], "cpu", False, ["✗", "≈"]),
        ([held(PROOF), held(TOY)], "cpu", True, ["↻", "↻"]),
        ([Outcome(PROOF, False, 0.0, skipped="cuda"), held(TOY)], "cpu", False, ["◌", "≈"]),
    ],
)
async def test_card_and_claims_show_what_was_recorded(
    make_app: Any, demos: Path, outcomes: list[Outcome], machine: str, stale: bool, expected: list[str]
) -> None:
    """✓ and ≈ only of what holds from this source; missing, broken, stale and skipped recordings look different."""
    record(demos, *outcomes, machine=machine, stale=stale)
    assert await shown(make_app(), ["enter", "space"]) == (expected, expected)


async def test_a_gpus_recording_reaches_the_card(make_app: Any, demos: Path) -> None:
    """What the processor skipped and a GPU recorded as holding is ✓ on the card and beside it."""
    record(demos, Outcome(PROOF, False, 0.0, skipped="cuda"), held(TOY))
    record(demos, held(PROOF), machine="nvidia-h200")
    assert await shown(make_app(), ["enter", "space"]) == (["✓", "≈"], ["✓", "≈"])


async def test_a_run_marks_both_alike_also_when_the_card_comes_back(make_app: Any) -> None:
    """After a run the point and its claim are doubled, a toy as a toy, and still are when the card is opened again."""
    keys = ["enter", "space", "r"]
    assert await shown(make_app(), keys) == (["✓✓", "≈≈"], ["✓✓", "≈≈"])
    assert await shown(make_app(), [*keys, "escape", "enter", "space"]) == (["✓✓", "≈≈"], ["✓✓", "≈≈"])


async def test_a_run_that_breaks_marks_both(make_app: Any, lab: Any) -> None:
    """A claim that does not hold here is ✗ on the card and beside it, though it was recorded as holding."""
    lab.held = False
    assert await shown(make_app(), ["enter", "space", "r"]) == (["✗", "✗"], ["✗", "✗"])


@pytest.mark.parametrize("holds", [True, False])
async def test_a_run_with_turned_parameters_marks_nothing(make_app: Any, lab: Any, holds: bool) -> None:
    """Turning `widths`, which one claim alone takes, leaves the mark of that claim as it was, held or not."""
    lab.held = holds
    app = make_app()
    async with app.run_test(size=(140, 45)) as pilot:
        await pilot.press("enter", "space")
        await pilot.pause()
        app.screen.run_claims([f"{DEMO}.{PROOF}"], {"widths": (8,)})
        await app.workers.wait_for_complete()
        await pilot.pause()
        assert lab.asked[-1][2] == {"widths": (8,)}
        assert marks(app) == (["✓", "≈"], ["✓", "≈"])
