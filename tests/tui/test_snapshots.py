"""The screens as pictures: a change of layout has to be looked at. `pytest --snapshot-update` takes what is right."""

from typing import Any

import pytest

PHASES = {
    "home": [],
    "new_cards": ["n"],
    "question": ["enter"],
    "brief": ["enter", "space", "x"],
    "answer": ["enter", "space", "down", "x", "space"],
    "end": ["p", "space", "3", "space", "1", "space", "3", "space", "3"],
    "lab": ["l"],
    "browse": ["b", "down"],
    "quiz": ["z"],
    "quiz_told": ["z", "2"],
    "quiz_end": ["z", "1", "space", "1", "space", "1", "space", "1"],
    "models": ["m"],
    "plan": ["d", *"2026-12-03", "enter"],
    "interview": ["i"],
    "interview_asked": ["i", "enter", "space", "x"],
    "interview_end": ["i", "enter", "space", "x", "space", "space", "space", "space", "space"],
    "stats": ["enter", "space", "4", "escape", "s"],
    "help": ["question_mark"],
}
SIZES = ("80x24", "120x40", "140x45")
SCREENS = {
    f"{phase}-{size}-{language}": keys for phase, keys in PHASES.items() for size in SIZES for language in ("en", "zh")
} | {"home-60x20-en": [], "home-60x20-zh": []}
SETTLED_SECONDS = 0.4
"""Browse draws an answer once the cursor rests."""


@pytest.mark.parametrize("name", SCREENS)
def test_screen(snap_compare: Any, make_app: Any, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Each screen, narrow or wide, in one of the languages, is the picture that a person looked at and approved."""
    _, size, language = name.split("-")
    width, height = map(int, size.split("x"))
    monkeypatch.setattr("studyapp.tui.screens.quiz.randbelow", lambda most: 8)
    monkeypatch.setattr("studyapp.interviews.randbelow", lambda most: 8)
    monkeypatch.setattr("studyapp.context.random.sample", lambda cards, count: cards)  # practice goes in another order each time

    async def go_there(pilot: Any) -> None:
        await pilot.press(*SCREENS[name])
        await pilot.pause(SETTLED_SECONDS if name.startswith("browse") else 0)
        await pilot.app.workers.wait_for_complete()
        await pilot.pause()

    app = make_app(language=language)
    assert snap_compare(app, terminal_size=(width, height), run_before=go_there)


KINDS = {
    f"{phase}-{size}-{language}": keys
    for phase, keys in {"choice": ["enter"], "choice_told": ["enter", "2"]}.items()
    for size in ("80x24", "140x45")
    for language in ("en", "zh")
}


@pytest.mark.parametrize("name", KINDS)
def test_kind(snap_compare: Any, make_app: Any, store: Any, clock: Any, name: str) -> None:
    """A choice on the schedule, before its answer and after it, likewise."""
    _, size, language = name.split("-")
    width, height = map(int, size.split("x"))
    store.append("review", "first#recall", clock(), rating=4)
    clock.forward(days=1)

    async def go_there(pilot: Any) -> None:
        await pilot.press(*KINDS[name])
        await pilot.app.workers.wait_for_complete()

    app = make_app(language=language, kinds={"all": ("choice",)})
    assert snap_compare(app, terminal_size=(width, height), run_before=go_there)
