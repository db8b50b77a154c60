"""A number that is guessed before its evidence is seen."""

from typing import Any

import pytest
from textual.widgets import Input

from studyapp.tui.screens.lab import LabScreen
from studyapp.tui.screens.study import Study
from tests.tui.conftest import DEMO, DEMO_NAME

ASK = {"en": "How large is the variance over d?", "zh": "方差是 d 的几倍？"}
REF = f"{DEMO_NAME}.variance_is_dk"
SIZES = [(80, 24), (140, 45)]


@pytest.fixture
def demos(demos: Any) -> Any:
    """The first claim's number, 1.01 in what was recorded, is worth guessing."""
    path = demos / f"{DEMO_NAME}.py"
    source = DEMO.replace("breaks, each", "breaks, each, guess").replace(
        "def claim_variance", f'@guess("Var/d", en="{ASK["en"]}", zh="{ASK["zh"]}", unit="×")\ndef claim_variance'
    )
    path.write_text(source, encoding="utf-8")
    return demos


def evidence(app: Any) -> str:
    return app.screen.panel.text.plain()


async def revealed(pilot: Any, size: Any) -> None:
    """The first card with its answer, and its evidence on show."""
    await pilot.press("enter", "space")
    if size == SIZES[0]:
        await pilot.press("tab")
    await pilot.pause()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("language", ["en", "zh"])
async def test_the_question_stands_in_place_of_the_evidence_until_it_was_guessed(
    make_app: Any, store: Any, size: Any, language: str
) -> None:
    """g takes a number; then the evidence is there, with how far off it was, which the log and Stats keep; nothing is scheduled
    by it, and undo does not take it back."""
    app = make_app(language=language)
    async with app.run_test(size=size) as pilot:
        await revealed(pilot, size)
        claim = app.context.claim(REF)
        assert ASK[language] in evidence(app) and "Var(q" not in evidence(app) and "16" not in evidence(app)
        assert app.context.t("keys.study_guess") in str(app.screen.query_one("KeyFooter").content)
        await pilot.press("g", *"soon", "enter")
        await pilot.pause()
        assert app._notifications and ASK[language] in evidence(app) and isinstance(app.focused, Input)
        app.focused.value = "4.04"
        await pilot.press("enter")
        await pilot.pause()
        assert ASK[language] not in evidence(app) and claim.sentence[language][:8] in evidence(app).replace("\n", "")
        assert app.context.t("guess.high", guess="4.04 ×", answer="1.01 ×", factor="4") in evidence(app) and app.focused is None
        (event,) = store.events()
        assert (event.kind, event.card, event.data) == ("guess", "first#recall", {"claim": REF, "value": 4.04, "answer": 1.01})
        assert store.card("first#recall").state == "new" and store.undo(app.context.clock()) is None
        await pilot.press("escape", "s")
        await pilot.pause()
        assert app.context.t.count("stats.guessed", 1, factor="4", close=0) in str(app.screen.query_one("#numbers").content)


async def test_evidence_opens_without_a_guess_too(make_app: Any, store: Any) -> None:
    """Enter with nothing typed opens it, and so does a run; nothing is kept."""
    app = make_app()
    async with app.run_test(size=SIZES[1]) as pilot:
        await revealed(pilot, SIZES[1])
        await pilot.press("g", "enter")
        await pilot.pause()
        assert "Var(q" in evidence(app) and store.events() == []
        app.context.guessed.clear()
        app.screen.panel.text.redraw()
        assert ASK["en"] in evidence(app)
        await pilot.press("r")
        await app.workers.wait_for_complete()
        assert ASK["en"] not in evidence(app) and isinstance(app.screen, Study)


async def test_the_lab_asks_too_and_a_field_left_is_no_guess(make_app: Any, store: Any) -> None:
    """Esc leaves the field with the question standing; the next claim is shown as it is."""
    app = make_app()
    async with app.run_test(size=SIZES[1]) as pilot:
        await pilot.press("l")
        await pilot.pause(0.5)
        await pilot.press("enter", "g", "9", "escape")
        await pilot.pause()
        assert isinstance(app.screen, LabScreen) and ASK["en"] in evidence(app) and "saturates" in evidence(app)
        assert store.events() == [] and REF not in app.context.guessed


async def test_a_number_that_was_not_recorded_is_not_asked_for(make_app: Any, demos: Any) -> None:
    """The evidence is there at once."""
    path = demos / f"{DEMO_NAME}.py"
    path.write_text(path.read_text("utf-8").replace('@guess("Var/d"', '@guess("another"'), "utf-8")
    app = make_app()
    async with app.run_test(size=SIZES[1]) as pilot:
        await revealed(pilot, SIZES[1])
        assert ASK["en"] not in evidence(app) and "Var(q" in evidence(app)
