"""The screens as pictures: a change of layout has to be looked at. `pytest --snapshot-update` takes what is right."""

from typing import Any

import pytest

SCREENS = {
    "home-80x24-en": [],
    "home-120x36-zh": [],
    "question-80x24-zh": ["enter"],
    "brief-80x24-en": ["enter", "space", "x"],
    "answer-140x45-en": ["enter", "space", "down", "x", "space"],
    "answer-80x24-zh": ["enter", "space", "space"],
    "browse-120x36-en": ["b", "down"],
    "lab-120x36-en": ["l"],
    "stats-80x24-zh": ["enter", "space", "4", "escape", "s"],
}


@pytest.mark.parametrize("name", SCREENS)
def test_screen(snap_compare: Any, make_app: Any, name: str) -> None:
    """Each screen, narrow or wide, in one of the languages, is the picture that a person looked at and approved."""
    _, size, language = name.split("-")
    width, height = map(int, size.split("x"))
    assert snap_compare(make_app(language=language), press=SCREENS[name], terminal_size=(width, height))
