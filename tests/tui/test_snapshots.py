"""The screens as pictures: a change of layout has to be looked at. `pytest --snapshot-update` takes what is right."""

from typing import Any

import pytest

ROOMS = {"home": [], "browse": ["b", "down"], "stats": ["enter", "space", "4", "escape", "s"], "help": ["question_mark"]}
SCREENS = {
    f"{room}-{size}-{language}": keys
    for room, keys in ROOMS.items()
    for size in ("80x24", "120x40", "140x45")
    for language in ("en", "zh")
} | {
    "home-60x20-en": [],
    "home-60x20-zh": [],
    "new_cards-80x24-en": ["n"],
    "question-80x24-zh": ["enter"],
    "brief-80x24-en": ["enter", "space", "x"],
    "answer-140x45-en": ["enter", "space", "down", "x", "space"],
    "answer-80x24-zh": ["enter", "space", "space"],
    "lab-120x36-en": ["l"],
}
SETTLED_SECONDS = 0.4
"""Browse draws an answer once the cursor rests."""


@pytest.mark.parametrize("name", SCREENS)
def test_screen(snap_compare: Any, make_app: Any, name: str) -> None:
    """Each screen, narrow or wide, in one of the languages, is the picture that a person looked at and approved."""
    _, size, language = name.split("-")
    width, height = map(int, size.split("x"))

    async def go_there(pilot: Any) -> None:
        await pilot.press(*SCREENS[name])
        await pilot.pause(SETTLED_SECONDS if name.startswith("browse") else 0)
        await pilot.app.workers.wait_for_complete()

    app = make_app(language=language)
    assert snap_compare(app, terminal_size=(width, height), run_before=go_there)
