"""Study, driven by keys at both sizes and in both languages."""

import subprocess
import sys
from typing import Any

import pytest
from textual.widgets import OptionList, Static

from studyapp.errors import SettingsError, StoreError
from studyapp.tui.screens.browse import Browse
from studyapp.tui.screens.home import Home
from studyapp.tui.screens.study import Study
from studyapp.tui.widgets.outline import Outline
from studyapp.tui.widgets.points import Points
from studyapp.tui.widgets.prose import Formula
from studyapp.tui.widgets.ratings import Ratings

SIZES = [(80, 24), (140, 45)]
LANGUAGES = ["en", "zh"]


def text(app: Any, selector: str) -> str:
    """What a Static on the screen on top says."""
    return str(app.screen.query_one(selector, Static).content)


async def settle(app: Any, pilot: Any) -> None:
    """Wait until no worker runs and all is painted."""
    await app.workers.wait_for_complete()
    await pilot.pause()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_card_goes_from_home_to_its_rating(make_app: Any, store: Any, size: Any, language: str) -> None:
    """Enter studies, space reveals twice, x ticks, a digit rates, and the store then holds the review with its ticks."""
    app = make_app(language=language)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        assert isinstance(app.screen, Home)
        assert app.screen.query_one(OptionList).option_count == 3
        await pilot.press("enter")
        await pilot.pause()
        assert isinstance(app.screen, Study)
        assert "first [d_model] [/x]" in text(app, "#ask")
        assert not app.screen.query_one("#answer").display
        await pilot.press("space")
        await pilot.pause()
        assert app.screen.query_one("#answer").display and not app.screen.query_one("#rest").display
        await pilot.press("x", "down", "x")
        await pilot.pause()
        assert app.screen.query_one(Points).ticked == {0, 1}
        assert app.screen.query_one("#rate-2").has_class("-suggested")
        await pilot.press("space")
        await pilot.pause()
        assert app.screen.query_one("#rest").display
        assert app.screen.query_one(Points).ticked == {0, 1}
        await pilot.press("3")
        await pilot.pause()
        assert "second" in text(app, "#ask")
    reviews = [e for e in store.events() if e.kind == "review"]
    assert [(e.card, e.rating, tuple(e.data["ticked"]), e.data["suggested"]) for e in reviews] == [("first#recall", 3, (0, 1), 2)]
    assert reviews[0].language == language


async def test_nothing_is_rated_before_the_answer_is_seen(make_app: Any, store: Any) -> None:
    """A digit pressed on the bare question does nothing."""
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("enter", "3", "x")
        await pilot.pause()
        assert "first" in text(app, "#ask")
    assert not list(store.events())


async def test_undo_takes_the_answer_back_and_redo_gives_it_again(make_app: Any, store: Any) -> None:
    """After u the same question stands again and its card is new; ctrl+r restores the review."""
    app = make_app()
    async with app.run_test(size=(140, 45)) as pilot:
        await pilot.press("enter", "space", "4")
        await pilot.pause()
        assert "second" in text(app, "#ask")
        after = store.card("first#recall")
        await pilot.press("u")
        await pilot.pause()
        assert "first" in text(app, "#ask") and store.card("first#recall").reps == 0
        await pilot.press("ctrl+r")
        await pilot.pause()
        assert store.card("first#recall").stability == after.stability


async def test_suspend_and_bury_pass_to_the_next_card(make_app: Any, store: Any) -> None:
    """s and b leave the card behind, and its state says so."""
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("enter", "s")
        await pilot.pause()
        assert "second" in text(app, "#ask")
        await pilot.press("b")
        await pilot.pause()
        assert "third" in text(app, "#ask")
    assert store.card("first#recall").suspended and store.card("second#recall").buried_day is not None


async def test_the_sitting_ends_with_a_summary_and_practice_schedules_nothing(make_app: Any, store: Any) -> None:
    """When all is answered the summary counts it; practice goes on without moving any card."""
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("down", "down", "enter")
        await pilot.press("space", "4")
        await pilot.pause()
        assert app.screen.query_one("#done").display and "100" in text(app, "#summary")
        cards = dict(store.cards())
        await pilot.press("a")
        await pilot.pause()
        assert "third" in text(app, "#ask")
        await pilot.press("space", "1")
        await pilot.pause()
        assert dict(store.cards()) == cards


async def test_language_switches_on_a_key_without_losing_ticks(make_app: Any) -> None:
    """ctrl+l says the card in the other language, revealed as far as before, ticks kept."""
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("enter", "space", "x", "ctrl+l")
        await pilot.pause()
        assert text(app, "#ask").startswith("为什么") and app.screen.query_one(Points).ticked == {0}


async def test_the_mouse_ticks_and_rates(make_app: Any, store: Any) -> None:
    """A click on a point ticks it; a click on a rating gives it."""
    app = make_app()
    async with app.run_test(size=(140, 45)) as pilot:
        await pilot.press("enter", "space")
        await pilot.pause()
        await pilot.click(Points, offset=(12, 2))
        await pilot.pause()
        assert app.screen.query_one(Points).ticked == {2}
        assert app.screen.query_one(Ratings).region.bottom <= 45
        await pilot.click("#rate-4")
        await pilot.pause()
    assert [e.rating for e in store.events() if e.kind == "review"] == [4]


async def test_the_lab_starts_after_the_first_frame_and_is_closed(make_app: Any, lab: Any) -> None:
    """The app starts the lab by itself and leaves nothing running."""
    app = make_app()
    assert not lab.started
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(app, pilot)
        assert lab.started
    assert lab.closed


def test_the_interface_never_imports_torch() -> None:
    """A clean interpreter that imports the app has no torch, and no demo of ours, in its modules."""
    code = (
        "import sys, studyapp.tui.app; print(sorted(m for m in sys.modules if m.split('.')[0] in ('torch', 'demos')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("size", SIZES)
async def test_an_outline_is_read_beside_the_answer_and_gone_with_the_card(make_app: Any, size: Any) -> None:
    """o opens a field, esc leaves it; once revealed the words stand above the answer, and the next card has none."""
    app = make_app()
    async with app.run_test(size=size) as pilot:
        await pilot.press("enter", "o", *"3 x [d]", "escape", "space")
        await pilot.pause()
        outline = app.screen.query_one(Outline)
        assert outline.text == "3 x [d]" and "3 x [d]" in str(outline.query_one(".said", Static).content)
        assert app.screen.query_one("#answer").display
        await pilot.press("1")
        await pilot.pause()
        assert not outline.display and outline.text == ""


async def test_formulas_turn_into_their_tex_and_back(make_app: Any) -> None:
    """m shows the TeX of every formula, and again the drawing."""
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("enter", "space")
        await pilot.pause()
        drawn = str(app.screen.query(Formula).first().content)
        await pilot.press("m")
        await pilot.pause()
        assert "frac" not in drawn and "\\frac{a}{b}" in str(app.screen.query(Formula).first().content)
        await pilot.press("m")
        await pilot.pause()
        assert str(app.screen.query(Formula).first().content) == drawn


async def test_a_click_on_what_comes_next_reads_it(make_app: Any) -> None:
    """The follow-up that has a file opens in Browse; esc comes back to the card."""
    app = make_app()
    async with app.run_test(size=(140, 45)) as pilot:
        await pilot.press("enter", "space", "space")
        await pilot.pause()
        await pilot.click("#follow", offset=(6, 2))
        await pilot.pause()
        assert isinstance(app.screen, Browse) and app.screen.question.id == "second"
        await pilot.press("escape")
        await pilot.pause()
        assert isinstance(app.screen, Study)


async def test_a_card_that_another_window_answered_is_not_answered_twice(make_app: Any, store: Any, clock: Any) -> None:
    """The rating is refused with a reason, nothing is written, and the next card comes."""
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("enter", "space")
        await pilot.pause()
        store.append("review", "first#recall", clock(), rating=4)
        await pilot.press("x", "3")
        await pilot.pause()
        assert any("changed since it was shown" in n.message for n in app._notifications)
        assert "second" in text(app, "#ask")
    assert store.card("first#recall").reps == 1


@pytest.mark.parametrize("keys", [["3"], ["s"], ["b"], ["u"]])
async def test_a_database_that_refuses_is_a_message_and_the_card_stays(
    make_app: Any, store: Any, monkeypatch: Any, keys: list[str]
) -> None:
    """Locked by another program, nothing is lost: the message says what to do, and the same key works afterwards."""

    def refuse(*_: Any, **__: Any) -> None:
        raise StoreError("reviews.db: database is locked [/x]", "Another program holds it.")

    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("enter", "space", "4", "space")
        await pilot.pause()
        before, asked = len(store.events()), text(app, "#ask")
        with monkeypatch.context() as locked:
            locked.setattr(store, "append", refuse)
            locked.setattr(store, "reverse", refuse)
            await pilot.press(*keys)
            await pilot.pause()
        assert any("locked [/x]" in n.message and "Another program" in n.message for n in app._notifications)
        assert text(app, "#ask") == asked and len(store.events()) == before
        await pilot.press(*keys)
        await pilot.pause()
        assert len(store.events()) == before + 1


async def test_settings_that_cannot_be_kept_hold_for_the_sitting(make_app: Any) -> None:
    """In a folder that cannot be written the language changes all the same, and the learner is told."""

    def refuse(_: Any) -> None:
        raise SettingsError("settings.toml: cannot be written")

    app = make_app()
    app.context.save = refuse
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("ctrl+l")
        await pilot.pause()
        assert app.context.language == "zh" and any("cannot be written" in n.message for n in app._notifications)


@pytest.mark.parametrize("key", ["p", "c", "question_mark"])
async def test_keys_reach_the_card_after_a_window_was_opened_over_an_outline(make_app: Any, store: Any, key: str) -> None:
    """An outline written, the answer shown, a window opened and left: a digit rates, and nothing is typed into the outline."""
    app = make_app()
    async with app.run_test(size=(140, 45)) as pilot:
        await pilot.press("enter", "o", *"mine", "escape", "space", key)
        await pilot.pause()
        await pilot.press("escape")
        await pilot.pause()
        await pilot.press("3")
        await pilot.pause()
    assert [(e.card, e.rating) for e in store.events() if e.kind == "review"] == [("first#recall", 3)]


async def test_a_new_card_begins_with_the_cursor_on_its_first_point(make_app: Any) -> None:
    """Where the cursor stood on the last card says nothing about this one: x ticks the first point."""
    app = make_app()
    async with app.run_test(size=(140, 45)) as pilot:
        await pilot.press("enter", "space", "down", "down", "3", "space", "x")
        await pilot.pause()
        assert app.screen.query_one(Points).ticked == {0}
