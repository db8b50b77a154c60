"""Home: what waits, what the bank holds, and how many new cards a day."""

import subprocess
import sys
from dataclasses import replace
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from textual.widgets import OptionList, Static

from studyapp.bank.compiled import load_compiled
from studyapp.bank.model import Finding, Topic
from studyapp.context import AppContext
from studyapp.paths import questions_dir
from studyapp.reviews.stats import Day
from studyapp.settings import Settings
from studyapp.tui.app import StudyApp
from studyapp.tui.dashboard import streak
from studyapp.tui.scope import scope_line, topic_scopes
from studyapp.tui.screens.home import Home
from studyapp.tui.screens.new_cards import NewCards
from studyapp.tui.screens.study import Study


def text(app: Any, selector: str) -> str:
    """What a Static on the screen on top says."""
    return str(app.screen.query_one(selector, Static).content).replace("\u00a0", " ")


async def test_what_went_wrong_at_opening_is_said_at_home(make_app: Any, store: Any) -> None:
    """A notice of the store, such as that no backup could be made, stands on Home."""
    store.notices.append("No backup today: [the disk] is full")
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert "[the disk] is full" in text(app, "#hint")


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_a_topic_takes_one_line_however_well_it_is_known(make_app: Any, clock: Any, language: str) -> None:
    """At 80 columns a row with 100 % still fits, and what waits takes at least a minute."""
    app = make_app(language=language)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("a", "space")
        clock.forward(seconds=1)
        await pilot.press("4", "escape")
        await pilot.pause()
        topics = app.screen.query_one("#topics", OptionList)
        row = topics.get_option_at_index(0).prompt
        assert "100 %" in str(row) and row.cell_length <= topics.scrollable_content_region.width - 2
        assert app.context.t("home.minutes", n=1) in text(app, "#today")


def test_a_long_streak_is_read_to_its_beginning(make_app: Any, store: Any, monkeypatch: Any) -> None:
    """A streak of two hundred days is two hundred, though the days are first read two months back."""
    app = make_app()
    today = app.context.today()
    studied = dict.fromkeys(range(today - 199, today + 1), Day(1))
    monkeypatch.setattr(store, "days", lambda first, last: {d: c for d, c in studied.items() if first <= d <= last})
    assert streak(app.context) == 200


async def test_home_is_laid_out_again_when_the_terminal_narrows(make_app: Any) -> None:
    """A row drawn for a wide terminal fits once the terminal is 80 columns."""
    app = make_app()
    async with app.run_test(size=(140, 45)) as pilot:
        await pilot.pause()
        await pilot.resize_terminal(80, 24)
        await pilot.pause(0.2)
        topics = app.screen.query_one("#topics", OptionList)
        assert all(len(str(topics.get_option_at_index(i).prompt)) <= 76 for i in range(topics.option_count))


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("size", [(60, 20), (80, 24), (100, 30), (140, 45)])
async def test_no_row_of_home_wraps_and_no_key_is_torn_from_its_name(make_app: Any, size: Any, language: str) -> None:
    """Rows and their heading are within the list; each key of the footer stands in one line with all of its name."""
    app = make_app(language=language)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        topics = app.screen.query_one("#topics", OptionList)
        room = topics.scrollable_content_region.width - 2
        assert all(topics.get_option_at_index(i).prompt.cell_length <= room for i in range(topics.option_count))
        assert cell_len(text(app, "#columns")) <= app.screen.query_one("#columns").content_size.width
        footer = app.screen.query_one("KeyFooter", Static)
        lines = [str(line) for line in footer.content.wrap(footer.content_size.width)]
        assert len(lines) <= 3
        for command in ("home_study", "home_plan", "app_help"):
            name = app.context.t(f"keys.{command}").replace(" ", "\u00a0")
            assert any(name in line for line in lines), (name, lines)


async def test_home_says_what_the_bank_holds_and_lists_no_plan_as_if_it_were_there(make_app: Any, bank: Any) -> None:
    """Whole and begun topics with their numbers, planned ones only counted; no row for a topic without a question."""
    app = make_app()
    planned = Topic("rag", bank.topics[0].title, ("rag-one", "rag-two"))
    begun = replace_topic(bank.topics[1], ("third", "fourth", "fifth"))
    app.context.__dict__["bank"] = replace(bank, topics=(bank.topics[0], begun, planned))
    assert [(s.topic, s.written, s.planned) for s in topic_scopes(app.context)] == [
        ("attention", 3, 3), ("position", 1, 3), ("rag", 0, 2),
    ]  # fmt: skip
    line = scope_line(app.context)
    assert "4 questions (1 for reference, not asked)" in line, "three are asked, as the rows above say"
    assert "whole: Attention 3" in line and "begun: Position 1 of 3" in line and "1 topic" in line
    async with app.run_test(size=(140, 45)) as pilot:
        await pilot.pause()
        assert text(app, "#scope") == line
        assert app.screen.query_one("#topics", OptionList).option_count == 3


def replace_topic(topic: Any, questions: tuple[str, ...]) -> Any:
    """The topic with other planned questions."""
    return Topic(topic.id, topic.title, questions)


async def test_a_day_without_reviews_is_told_from_the_second_day_on(make_app: Any, clock: Any) -> None:
    """On the first day there was no yesterday to speak of; after a day left out it is said, after one that was used what was done."""
    app = make_app()
    none = app.context.t("home.yesterday_none")
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("enter", "space", "4", "escape")
        await pilot.pause()
        assert app.screen.query_one("#days").display and none not in text(app, "#days")
        for days, told in ((1, app.context.t.count("home.yesterday", 1)), (1, none)):
            clock.forward(days=days)
            await app.screen.show()
            assert told in text(app, "#days")


async def test_a_topic_that_is_done_offers_the_next(make_app: Any, clock: Any) -> None:
    """After the last card of a topic Home names the next that has something, and the cursor is on it."""
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("down", "down", "enter", "space", "4", "escape")
        await pilot.pause()
        assert isinstance(app.screen, Home)
        hint = text(app, "#hint")
        assert hint == app.context.t.count("home.offer", 2, done="Position", next="Attention")
        await pilot.press("enter")
        await pilot.pause()
        assert isinstance(app.screen, Study) and app.screen.topic == "attention"


async def test_new_cards_a_day_and_their_order_are_set_from_home(make_app: Any, store: Any) -> None:
    """n opens the page, + and - change the limit at once and for good, o puts core questions first; Home follows."""
    app, kept = make_app(new_per_day=1), []
    app.context.save = kept.append
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("n")
        await pilot.pause()
        assert isinstance(app.screen, NewCards) and "1 +" in text(app, "#numbers")
        await pilot.press("plus", "plus", "minus", "o")
        await pilot.pause()
        assert kept == [{"new_per_day": 2}, {"new_per_day": 3}, {"new_per_day": 2}, {"new_order": "core"}]
        assert topic_rows(app) == [["2", "1", "·", "3", "·", "·"], ["1", "1", "·", "2", "·", "·"], ["1", "·", "·", "1", "·", "·"]]
        await pilot.press("escape")
        await pilot.pause()
        assert "2 new" in text(app, "#today")


def topic_rows(app: Any) -> list[list[str]]:
    """The numbers of each row of the topics."""
    topics = app.screen.query_one("#topics", OptionList)
    rows = [str(topics.get_option_at_index(n).prompt).replace("✓ ", "✓").split()[-6:] for n in range(topics.option_count)]
    return rows


@pytest.mark.parametrize("size", [(80, 24), (140, 45)])
@pytest.mark.parametrize("language", ["en", "zh"])
async def test_each_topic_is_asked_in_the_kinds_chosen_for_it(
    make_app: Any, store: Any, clock: Any, size: Any, language: str
) -> None:
    """On the first row c turns choices on for all topics, on a topic's for it alone; Home, the sitting, Stats and `due` count
    by kind, once an answer is known."""
    app, kept = make_app(language=language), []
    app.context.save = kept.append
    store.append("review", "first#recall", clock(), rating=4)
    clock.forward(days=1)
    async with app.run_test(size=size) as pilot:
        await pilot.press("n")
        await pilot.pause()
        await pilot.press("c", "down", "down", "c")
        await pilot.pause()
        assert kept == [{"kinds": {"all": ["choice"]}}, {"kinds": {"all": ["choice"], "position": []}}]
        assert [row[3] for row in topic_rows(app)] == ["✓3", "✓2", "1"]
        await pilot.press("escape")
        await pilot.pause()
        line = app.context.kinds_line({"recall": 2, "choice": 1})
        assert text(app, "#today").splitlines()[1] == line and app.context.left_by_kind() == {"recall": 2, "choice": 1}
        await pilot.press("down", "enter")
        await pilot.pause()
        assert app.screen.card.card == "first#choice" and app.screen.phase == "choose"
        await pilot.press(str(app.screen.asked.answer + 1))
        await pilot.pause()
        await pilot.press("4", "escape", "s")
        await pilot.pause()
        assert app.context.t("stats.kinds") in text(app, "#numbers")


def test_core_first_puts_core_questions_before_deeper_ones(make_app: Any) -> None:
    """New cards come by level, and within a level in learning order; each topic likewise."""
    app = make_app(new_order="core")
    assert [q.id for q in app.context.in_new_order()] == ["first", "third", "second"]
    assert app.context.session().next(app.context.clock()).card == "first#recall"
    assert [q.id for q in make_app().context.in_new_order()] == ["first", "second", "third"]


async def test_files_that_could_not_be_read_are_counted_and_their_command_can_be_pasted(make_app: Any, bank: Any) -> None:
    """Findings of one file count once, and the command names the learner's own bank, quoted."""
    folder = Path("/data/my bank")
    found = [Finding(folder / "llm" / f"{name}.yaml", line, "ask", "is missing", "write it") for name in "ab" for line in (1, 2)]
    app = make_app()
    app.context.banks = (folder,)
    app.context.__dict__["bank"] = replace(bank, findings=tuple(found))
    async with app.run_test(size=(140, 45)) as pilot:
        await pilot.pause()
        assert app.context.t("home.findings", n=2, command="studyapp --bank '/data/my bank' check") in text(app, "#hint")


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_a_backlog_says_its_order_and_its_end(make_app: Any, store: Any, clock: Any, language: str) -> None:
    """Where more is due than the day's limit Home names both and the day on which it will be done; raising the limit ends it."""
    for name in ("first", "second", "third"):
        store.append("review", f"{name}#recall", clock(), rating=4)
    clock.forward(days=60)
    app, kept = make_app(language=language, reviews_per_day=1), []
    app.context.save = kept.append
    store.configure(app.context.settings)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        await app.workers.wait_for_complete()
        await pilot.pause()
        line = text(app, "#backlog")
        assert line.startswith(app.context.t("home.backlog", n=3, limit=1)) and "2027-01-2" in line
        await pilot.press("n", "greater_than_sign", "greater_than_sign", "less_than_sign")
        await pilot.pause()
        assert [each["reviews_per_day"] for each in kept] == [11, 21, 11]
        await pilot.press("escape")
        await pilot.pause()
        assert not app.screen.query_one("#backlog").display


def test_the_first_frame_waits_for_no_simulation_no_parser_and_no_demo() -> None:
    """What Home shows is imported without numpy, which plans bring, without Markdown and without what demos speak in."""
    later = ("numpy", "markdown_it", "yaml", "studyapp.evidence")
    code = f"import sys, studyapp.tui.app, studyapp.quiz.registry; print([name for name in {later} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_what_to_know_now_stays_in_sight_above_all_topics(tmp_path: Path, cache: Any, lab: Any, clock: Any, language: str) -> None:
    """At 80×24 with every topic of the shipped bank: today's load, the interview and the hint; below them the last topic can be reached."""
    context = AppContext(
        home=tmp_path, bank=load_compiled(questions_dir(), (), cache), lab=lab, clock=clock, language=language,
        settings=Settings(timezone="UTC", interview_date=date(2026, 12, 20)),
    )  # fmt: skip
    app = StudyApp(context)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        await app.workers.wait_for_complete()
        await pilot.pause()
        topics = app.screen.query_one("#topics", OptionList)
        for _ in range(2):
            places = [app.screen.query_one(name).region for name in ("#today", "#interview", "#hint", "#columns", "#topics")]
            assert all(place.height for place in places) and places[0].y > 0
            assert all(above.bottom <= below.y for above, below in pairwise(places)) and places[-1].bottom <= 24
            await pilot.press("up")
            await pilot.pause()
        assert topics.option_count > 15
        await pilot.press("end")
        await pilot.pause()
        assert topics.scroll_offset.y + topics.size.height == topics.option_count
