"""Browse: the whole bank, searched, filtered, read and studied."""

import asyncio
import time
from datetime import timedelta
from typing import Any

import pytest
from textual.app import App, ComposeResult
from textual.widgets import Input, Static

from studyapp.tui.screens.browse import SETTLED_SECONDS, Browse
from studyapp.tui.screens.home import Home
from studyapp.tui.screens.study import Study
from studyapp.tui.widgets.answers import Answer
from studyapp.tui.widgets.row_list import Row, RowList


def text(app: Any, selector: str) -> str:
    """What a Static on the screen on top says."""
    return str(app.screen.query_one(selector, Static).content)


def rows(app: Any) -> list[str]:
    """The ids that are listed."""
    return [row.id for row in app.screen.query_one("#list", RowList).rows]


async def settled(pilot: Any) -> None:
    """The answer of the question under the cursor has been drawn."""
    await pilot.pause(SETTLED_SECONDS + 0.05)
    await pilot.app.workers.wait_for_complete()
    await pilot.pause()


async def test_browse_finds_filters_reads_and_suspends(make_app: Any, store: Any) -> None:
    """Typing narrows the list; v and t filter, c shows all again; s suspends and brings back; a studies what is listed."""
    app = make_app()
    async with app.run_test(size=(140, 45)) as pilot:
        await pilot.press("slash", *"third", "enter")
        await settled(pilot)
        assert rows(app) == ["third"] and "third" in text(app, "#ask")
        await pilot.press("s")
        await pilot.pause()
        assert store.card("third#recall").suspended
        assert app.context.t("browse.suspended") in app.screen.query_one("#list", RowList).rows[0].note
        await pilot.press("s")
        await pilot.pause()
        assert not store.card("third#recall").suspended
        await pilot.press("c", "v", "v")
        await pilot.pause()
        assert [q.id for q in app.screen.found] == rows(app) == ["second"]
        await pilot.press("c")
        await pilot.pause()
        assert len(rows(app)) == 4
        await pilot.press("v", "v", "a")
        await pilot.pause()
        assert isinstance(app.screen, Study) and "second" in text(app, "#ask")


async def test_enter_studies_the_question_under_the_cursor(make_app: Any, store: Any, clock: Any) -> None:
    """What waits is asked and scheduled; what does not wait today is asked in practice."""
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("b", "down", "enter")
        await pilot.pause()
        assert isinstance(app.screen, Study) and not app.screen.practice and "second" in text(app, "#ask")
        await pilot.press("space", "4", "escape")
        await pilot.pause()
        assert isinstance(app.screen, Browse) and store.card("second#recall").state == "review"
        await pilot.press("enter")
        await pilot.pause()
        assert isinstance(app.screen, Study) and app.screen.practice and "second" in text(app, "#ask")


async def test_browse_makes_a_card_new_and_takes_that_back(make_app: Any, store: Any) -> None:
    """n resets the card under the cursor, u gives back what it was."""
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("enter", "space", "4", "escape", "b", "n")
        await pilot.pause()
        assert store.card("first#recall").state == "new"
        await pilot.press("u")
        await pilot.pause()
        assert store.card("first#recall").state == "review"


async def test_a_card_put_off_until_tomorrow_says_so(make_app: Any, clock: Any) -> None:
    """A buried card does not read as new; the next day it does."""
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("enter", "b", "escape", "b")
        await pilot.pause()
        assert app.screen.query_one("#list", RowList).rows[0].note.startswith(app.context.t("browse.buried"))
        clock.forward(days=1)
        await app.screen.show()
        assert app.screen.query_one("#list", RowList).rows[0].note.startswith(app.context.t("browse.state_new"))


async def test_the_footer_says_where_esc_goes_and_how_a_filter_ends(make_app: Any) -> None:
    """From Home home, from the search field to the list, from a card back to it; c stands there while the list is filtered."""
    app = make_app()
    async with app.run_test(size=(140, 45)) as pilot:
        words = app.context.t

        def footer() -> str:
            return text(app, "KeyFooter").replace("\u00a0", " ")

        await pilot.press("down", "b")
        await pilot.pause()
        assert words("keys.browse_leave") in footer() and words("keys.browse_clear") in footer()
        assert app.context.title("attention") in text(app, "#title")
        await pilot.press("c")
        await pilot.pause()
        assert words("keys.browse_clear") not in footer() and words("browse.all_topics") in text(app, "#title")
        await pilot.press("slash")
        await pilot.pause()
        assert words("browse.to_list") in footer()
        await pilot.press("escape", "escape")
        await pilot.pause()
        assert isinstance(app.screen, Home)
        await pilot.press("enter")
        await pilot.pause()
        app.action_read("second")
        await pilot.pause()
        assert words("browse.to_card") in footer()
        await pilot.press("escape")
        await pilot.pause()
        assert isinstance(app.screen, Study)


async def test_an_answer_is_drawn_once_the_cursor_rests(make_app: Any, monkeypatch: Any) -> None:
    """Running over the list draws the last question alone, and a letter that changes no hit draws nothing."""
    drawn: list[str] = []
    own = Answer.fill

    def fill(self: Any, context: Any, document: Any) -> None:
        drawn.append(document.question.id)
        own(self, context, document)

    monkeypatch.setattr(Answer, "fill", fill)
    app = make_app()
    async with app.run_test(size=(140, 45)) as pilot:
        await pilot.press("b")
        await settled(pilot)
        assert drawn == ["first"]
        await pilot.press("down", "down", "down")
        await settled(pilot)
        assert drawn == ["first", "third"]
        await pilot.press("slash", "t", "h")
        await settled(pilot)
        assert app.screen.query_one("#search", Input).value == "th"
        assert drawn == ["first", "third"]


async def test_coming_back_to_another_language_draws_the_question_again(make_app: Any) -> None:
    """List and answer follow the language."""
    app = make_app()
    async with app.run_test(size=(140, 45)) as pilot:
        await pilot.press("b")
        await settled(pilot)
        await pilot.press("ctrl+l")
        await settled(pilot)
        assert "为什么" in text(app, "#ask") and "为什么" in app.screen.query_one("#list", RowList).rows[0].text


class Listing(App[None]):
    """A list of rows alone."""

    def compose(self) -> ComposeResult:
        """The list."""
        yield RowList(id="list")


def named(count: int, title: str = "a question that is long enough to be wrapped into two lines, and then some") -> list[Row]:
    return [Row(str(i), f"{i} {title}", "note") for i in range(count)]


async def test_the_cursor_stays_in_sight_and_within_the_list() -> None:
    """Up and down stop at the ends, end and page bring their row into sight, a click goes to its row."""
    app = Listing()
    async with app.run_test(size=(44, 12)) as pilot:
        rows = app.query_one(RowList)
        rows.fill(named(30))
        rows.focus()
        await pilot.press("up")
        assert rows.current == "0"
        await pilot.press("end", "down")
        await pilot.pause()
        assert rows.current == "29"
        assert rows.scroll_offset.y + 12 == 30 * rows.row_height
        await pilot.press("pageup", "home")
        await pilot.pause()
        assert rows.current == "0" and rows.scroll_offset.y == 0
        await pilot.click(RowList, offset=(3, 2 * rows.row_height))
        assert rows.current == "2"


@pytest.mark.parametrize("width", [30, 44, 80, 120])
async def test_a_row_is_whole_or_ends_in_an_ellipsis(width: int) -> None:
    """A row takes so many lines and no more, each within the width, Chinese too."""
    app = Listing()
    async with app.run_test(size=(width, 20)) as pilot:
        rows = app.query_one(RowList)
        rows.fill([Row("a", "为什么注意力要把分数除以维度的平方根" * 4, "新题 · a"), Row("b", "short", "b")])
        await pilot.pause()
        lines = ["".join(s.text for s in rows.render_line(y)) for y in range(2 * rows.row_height)]
        assert all(rows.render_line(y).cell_length <= width for y in range(20))
        assert "…" in "".join(lines[: rows.row_height]) and "新题 · a" in lines[rows.row_height - 1]
        assert "short" in lines[rows.row_height] and "…" not in "".join(lines[rows.row_height :])


async def test_the_cursor_follows_its_row_through_a_new_filling() -> None:
    """Where the row under the cursor is still there it keeps the cursor and tells nobody; else the first has it."""
    app = Listing()
    told: list[str | None] = []
    async with app.run_test(size=(44, 12)) as pilot:
        rows = app.query_one(RowList)
        app.on_row_list_highlighted = lambda message: told.append(message.id)  # type: ignore[attr-defined]
        rows.fill(named(9))
        await pilot.pause()
        rows.fill(named(9)[4:], "5")
        await pilot.pause()
        assert rows.current == "5"
        rows.fill(named(9)[5:], rows.current)
        await pilot.pause()
        assert rows.current == "5" and rows.cursor == 0
        rows.fill([], None)
        assert rows.current is None
        rows.action_choose()


async def test_a_letter_costs_as_little_in_a_long_list_as_in_a_short_one() -> None:
    """Only rows in sight are drawn: filling ten thousand rows takes a fraction of a frame."""
    app = Listing()
    async with app.run_test(size=(44, 40)) as pilot:
        rows, many = app.query_one(RowList), named(10_000)
        rows.fill(named(10))
        await pilot.pause()
        began = time.process_time()
        rows.fill(many)
        await asyncio.sleep(0)
        assert time.process_time() - began < 0.1
        assert len(rows._drawn) < 100




async def test_operators_are_searched_by_and_a_slip_is_told_in_place(make_app: Any, store: Any, clock: Any) -> None:
    """As letters come; what is no query yet says how it may be, and the list comes back once it is one."""
    store.append("review", "second#recall", clock() - timedelta(days=30), rating=4)
    app = make_app()
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("slash", *"is:due")
        await pilot.pause()
        assert [q.id for q in app.screen.found] == ["second"]
        await pilot.press(*"x")
        await pilot.pause(0.3)
        assert not app.screen.found and "is: cannot be 'duex'" in str(app.screen.query_one("#ask", Static).content)
        await pilot.press("backspace")
        await pilot.pause(0.3)
        assert [q.id for q in app.screen.found] == ["second"]
        assert "is: cannot" not in str(app.screen.query_one("#ask", Static).content)


async def test_all_that_is_listed_is_put_away_and_brought_back(make_app: Any, store: Any) -> None:
    """S puts away what is listed, all of it again brings it back, and u takes each back as one."""
    app = make_app()
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("b", "slash", *"topic:attention", "enter", "S")
        await pilot.pause()
        away = lambda: {name for name in ("first", "second", "third", "trivia") if store.card(f"{name}#recall").suspended}  # noqa: E731
        assert away() == {"first", "second", "trivia"}
        await pilot.press("u")
        await pilot.pause()
        assert away() == set()
        await pilot.press("s", "S")
        await pilot.pause()
        assert away() == {"first", "second", "trivia"}
        await pilot.press("S")
        await pilot.pause()
        assert away() == set()
        await pilot.press("u", "u")
        await pilot.pause()
        assert len(away()) == 1
        await pilot.press("u")
        await pilot.pause()
        assert away() == set()


async def test_the_command_that_exports_what_is_listed_is_copied(make_app: Any) -> None:
    """x copies it, with the words, the topic, the level and the stars chosen."""
    app = make_app()
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("b", "x")
        assert app.clipboard == "studyapp export anki"
        await pilot.press("slash", *"grows", "enter", "t", "v", "f", "x")
        await pilot.pause()
        assert app.clipboard == "studyapp export anki --find 'grows topic:attention level:core is:starred'"


async def test_enter_right_after_a_letter_takes_what_was_found(make_app: Any) -> None:
    """The list follows a letter by a frame; enter pressed before that goes to what was found, not to what stood there."""
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("slash")
        await pilot.pause()
        screen = app.screen
        screen.query_one("#search", Input).value = "third"
        screen._typed()
        assert [q.id for q in screen.found] == ["third"] and screen.query_one("#list", RowList).current != "third"
        screen._submitted()
        assert screen.query_one("#list", RowList).current == "third"
        await settled(pilot)
        assert "1" in text(app, "#title") and rows(app) == ["third"]


async def test_a_search_goes_to_the_best_hit(make_app: Any) -> None:
    """The cursor goes to what fits best and not along with the row it stood on, which is found too; a filter leaves it there."""
    app = make_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("b")
        await settled(pilot)
        listing = app.screen.query_one("#list", RowList)
        assert listing.current == "first"
        await pilot.press("slash", *"grows third")
        await settled(pilot)
        await pilot.press(*["backspace"] * 6)
        await settled(pilot)
        assert len(rows(app)) > 1 and listing.current == rows(app)[0]
        await pilot.press("enter", "down")
        await settled(pilot)
        there = listing.current
        await pilot.press("ctrl+l")
        await settled(pilot)
        assert listing.current == there != rows(app)[0]
