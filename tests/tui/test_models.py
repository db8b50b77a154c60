"""The table of models: sorted, filtered, one of them whole, and those that a question names."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from textual.widgets import DataTable, Input, Static

from studyapp.bank.load import load_bank
from studyapp.bank.model import Bank, Today
from studyapp.paths import questions_dir
from studyapp.render.model_table import COLUMNS
from studyapp.tui.screens.home import Home
from studyapp.tui.screens.models import TYPING_RESTS, Models

SIZES = [(80, 24), (140, 45)]
MODELS = load_bank(questions_dir()).models


@pytest.fixture
def bank(bank: Bank) -> Bank:
    """The small bank with the rows that ship, and a question that names two of them."""
    today = Today(as_of="2026-11", en="Now.", zh="现状。", models=("deepseek-v3", "llama-3.1-8b"))
    first = msgspec.structs.replace(bank.questions["first"], today=today)
    return replace(bank, models=MODELS, questions={**bank.questions, "first": first})


def text(app: Any, selector: str) -> str:
    """What a Static on the screen on top says."""
    return str(app.screen.query_one(selector, Static).content)


def names(app: Any) -> list[str]:
    """The first column, from the top."""
    return [str(app.screen.query_one(DataTable).get_row_at(i)[0]) for i in range(app.screen.query_one(DataTable).row_count)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("language", ["en", "zh"])
async def test_m_opens_the_table_in_both_languages_and_leaving_comes_home(make_app: Any, size: Any, language: str) -> None:
    """Every row is there with every column; ctrl+l says the headings in the other language."""
    app = make_app(language=language)
    async with app.run_test(size=size) as pilot:
        await pilot.press("m")
        await pilot.pause()
        assert isinstance(app.screen, Models)
        table = app.screen.query_one(DataTable)
        assert (table.row_count, len(table.columns)) == (len(MODELS), len(COLUMNS))
        heading = str(next(iter(table.columns.values())).label)
        await pilot.press("ctrl+l")
        await pilot.pause()
        assert str(next(iter(table.columns.values())).label) != heading
        assert not app.screen.query_one("#page").display
        await pilot.press("escape")
        await pilot.pause()
        assert isinstance(app.screen, Home)


@pytest.mark.parametrize("size", SIZES)
async def test_typing_filters_by_every_word(make_app: Any, size: Any) -> None:
    """«moonshot kda» leaves what is of Moonshot AI and has KDA; escape gives the keyboard back to the table."""
    app = make_app()
    async with app.run_test(size=size) as pilot:
        await pilot.press("m", "slash", *"moonshot kda", "escape")
        await pilot.pause(2 * TYPING_RESTS)
        assert set(names(app)) == {"Kimi Linear 48B-A3B", "Kimi K3"}
        assert app.screen.query_one(DataTable).has_focus
        app.screen.query_one("#search", Input).value = "no such model"
        await pilot.pause(2 * TYPING_RESTS)
        assert names(app) == [] and app.context.t("models.none") in text(app, "#title")
        await pilot.press("enter", "s")
        await pilot.pause()
        assert not app.screen.query_one("#page").display


async def test_s_sorts_by_the_column_under_the_cursor(make_app: Any) -> None:
    """Upwards, downwards, then by date again; the heading and the title say so, and the unknown stays below."""
    app = make_app()
    async with app.run_test(size=(140, 45)) as pilot:
        await pilot.press("m")
        await pilot.pause()
        newest = names(app)
        column = app.screen.columns.index("total")
        await pilot.press(*["right"] * column, "s")
        await pilot.pause()
        assert names(app)[0] == "BERT-Base" and app.screen.query_one(DataTable).cursor_column == column
        assert "↑" in text(app, "#title")
        await pilot.press("s")
        await pilot.pause()
        assert names(app)[0] == "Kimi K3" and "↓" in text(app, "#title")
        await pilot.press("s")
        await pilot.pause()
        assert names(app) == newest


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("language", ["en", "zh"])
async def test_enter_shows_one_model_whole_with_its_sources(make_app: Any, size: Any, language: str) -> None:
    """Facts, note and sources of the row under the cursor, in either language; escape goes back to that row."""
    app = make_app(language=language)
    async with app.run_test(size=size) as pilot:
        await pilot.press("m", "slash", *"deepseek-v3", "enter")
        await pilot.pause(2 * TYPING_RESTS)
        await pilot.press("down", "enter")
        await pilot.pause()
        shown = app.screen.model
        page = text(app, "#facts")
        assert app.screen.query_one("#page").display and not app.screen.query_one(DataTable).display
        assert shown.name in page and all(s.where in page for s in shown.sources)
        assert not shown.note or shown.note[language] in page
        assert app.screen.query_one("#facts").size.width <= size[0]
        await pilot.press("ctrl+l")
        await pilot.pause()
        assert app.screen.phase == "one" and text(app, "#facts") != page
        await pilot.press("escape")
        await pilot.pause()
        assert app.screen.query_one(DataTable).display and app.screen.model == shown


@pytest.mark.parametrize("place", ["study", "browse"])
async def test_f4_shows_the_models_that_a_question_names(make_app: Any, place: str) -> None:
    """From a card and from Browse: its models in its order, the columns of its topic first; a shows all of them."""
    app = make_app()
    async with app.run_test(size=(140, 45)) as pilot:
        await pilot.press(*{"study": ["enter"], "browse": ["b"]}[place])
        await pilot.pause()
        await pilot.press("f4")
        await pilot.pause()
        assert isinstance(app.screen, Models) and names(app) == ["DeepSeek-V3", "Llama 3.1 8B"]
        assert app.screen.columns[:5] == ["name", "date", "layers", "heads", "kv_heads"]
        await pilot.press("a")
        await pilot.pause()
        assert len(names(app)) == len(MODELS)
        await pilot.press("escape")
        await pilot.pause()
        assert not isinstance(app.screen, Models | Home)


async def test_f4_elsewhere_shows_all(make_app: Any) -> None:
    """On Home no question is on the screen."""
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("f4")
        await pilot.pause()
        assert len(names(app)) == len(MODELS)
        await pilot.press("f4")
        assert isinstance(app.screen, Models)


async def test_a_heading_sorts_where_it_is_clicked(make_app: Any) -> None:
    """A click on a heading is s on its column."""
    app = make_app()
    async with app.run_test(size=(140, 45)) as pilot:
        await pilot.press("m")
        await pilot.pause()
        await pilot.click(DataTable, offset=(2, 0))
        await pilot.pause()
        assert app.screen.sorted_by == "name" and names(app) == sorted(names(app), key=str.casefold)
