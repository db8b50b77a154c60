"""A star and a note on the card, in Study and in Browse."""

from typing import Any

import pytest
from textual.widgets import Static, TextArea

from studyapp.reviews.annotations import Annotation
from studyapp.tui.screens.browse import Browse
from studyapp.tui.screens.study import Study
from studyapp.tui.widgets.answers import NOTE_LINES
from studyapp.tui.widgets.prose import Prose
from studyapp.tui.widgets.row_list import RowList

CARD = "first#recall"


def text(app: Any, selector: str) -> str:
    """What a Static on the screen on top says."""
    return str(app.screen.query_one(selector, Static).content)


def drawn(app: Any) -> str:
    """Everything that the answer shows."""
    return "\n".join(str(prose.render()) for prose in app.screen.query(Prose))


@pytest.mark.parametrize("size", [(80, 24), (140, 45)])
async def test_a_card_is_starred_and_noted_while_it_is_studied(make_app: Any, store: Any, size: tuple[int, int]) -> None:
    """`*` stars the card on show, `w` opens its note, esc keeps it and goes back to the card as far as it was; both are seen."""
    async with make_app().run_test(size=size) as pilot:
        app = pilot.app
        await pilot.press("enter", "space", "space", "down", "x")
        await pilot.press("asterisk", "w")
        app.screen.query_one(TextArea).text = "mind the *scale*\nline two"
        await pilot.press("escape")
        assert isinstance(app.screen, Study) and app.screen.phase == "full"
        assert store.annotation(CARD) == Annotation(True, "mind the *scale*\nline two")
        assert text(app, "#title").endswith("★ · first"), "the id comes last, so that no star is cut where it is narrow"
        assert "mind the scale" in drawn(app) and "Your note" in drawn(app)
        await pilot.press("ctrl+l")
        assert "我的笔记" in drawn(app)
        await pilot.press("3")
        assert "★" not in text(app, "#title") and app.screen.question.id != "first"


async def test_undo_takes_a_note_and_a_star_back_and_leaves_the_card_where_it_is(make_app: Any, store: Any) -> None:
    """`u` takes back the note, then the star, then the rating before them; the first two do not turn the card over."""
    async with make_app().run_test(size=(140, 45)) as pilot:
        app = pilot.app
        await pilot.press("enter", "space", "3", "space", "space", "asterisk", "w")
        shown = "second"
        app.screen.query_one(TextArea).text = "x"
        await pilot.press("escape")
        card = app.screen.card.card
        assert store.annotation(card) == Annotation(True, "x")
        await pilot.press("u")
        assert store.annotation(card) == Annotation(True) and (app.screen.phase, app.screen.question.id) == ("full", shown)
        await pilot.press("u")
        assert store.annotation(card) == Annotation() and app.screen.phase == "full"
        await pilot.press("u")
        assert app.screen.question.id == "first" and store.card(CARD).reps == 0


async def test_a_long_note_is_folded_under_the_answer(make_app: Any, store: Any, clock: Any) -> None:
    """Its first lines stand there and how many more there are; the editor has all of it."""
    note = "\n".join(f"line {n}" for n in range(1, 21))
    store.append("note", CARD, clock.now, data={"text": note})
    async with make_app().run_test(size=(140, 45)) as pilot:
        await pilot.press("enter", "space", "space")
        shown = drawn(pilot.app)
        assert f"line {NOTE_LINES}" in shown and f"line {NOTE_LINES + 1}" not in shown and "12 more lines" in shown
        await pilot.press("w")
        assert pilot.app.screen.query_one(TextArea).text == note


async def test_browse_shows_and_filters_stars_and_notes(make_app: Any, store: Any) -> None:
    """`*` and `w` work on the question under the cursor, `f` lists the starred, the noted, then all; `u` takes back."""
    async with make_app().run_test(size=(140, 45)) as pilot:
        app = pilot.app
        await pilot.press("b", "down", "asterisk", "up", "w", *"hm", "escape")
        assert isinstance(app.screen, Browse)
        listed = app.screen.query_one(RowList)
        assert [row.note.split(" ")[0] for row in listed.rows][:2] == ["✎", "★"]
        await pilot.press("f")
        assert [row.id for row in listed.rows] == ["second"] and "starred" in text(app, "#title")
        await pilot.press("f")
        assert [row.id for row in listed.rows] == ["first"]
        await pilot.press("f")
        assert len(listed.rows) == 4
        await pilot.press("u", "u")
        assert store.annotations() == {}


async def test_a_note_that_is_too_long_is_told_and_the_app_goes_on(make_app: Any, store: Any) -> None:
    """The learner hears why it was not kept, and has the text before them to shorten it."""
    async with make_app().run_test(size=(140, 45)) as pilot:
        await pilot.press("enter", "w")
        pilot.app.screen.query_one(TextArea).text = "x" * 20_001
        await pilot.press("escape")
        assert any("at most 20000" in str(n.message) for n in pilot.app._notifications)
        field = pilot.app.screen.query_one(TextArea)
        assert store.annotation(CARD) == Annotation() and len(field.text) == 20_001
        field.text = "shorter"
        await pilot.press("escape")
        assert store.annotation(CARD).note == "shorter" and isinstance(pilot.app.screen, Study)


async def test_errors_are_told_in_the_language_of_the_app(make_app: Any, store: Any, clock: Any) -> None:
    """A card that another window answered, a note that is too long and a setting that cannot be kept are told in Chinese."""
    async with make_app(language="zh").run_test(size=(140, 45)) as pilot:
        app = pilot.app
        await pilot.press("enter", "space")
        store.append("review", CARD, clock.now, rating=3)
        await pilot.press("3")
        await pilot.press("w")
        app.screen.query_one(TextArea).text = "x" * 20_001
        await pilot.press("escape")
        app.screen.query_one(TextArea).text = ""
        await pilot.press("escape")
        (app.context.home / "settings.toml").write_text("theme = [")
        await pilot.press("f3")
        told = " ".join(str(n.message) for n in app._notifications)
        for said in ("显示之后已被改动", "没有写入任何内容", "最多保存 20000 个", "无法修改", "请修正或删除这个文件"):
            assert said in told, told
