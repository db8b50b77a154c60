"""A mock interview in the app: its page, the questions under a clock, the score sheet."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from textual.widgets import OptionList, Static

from studyapp import interviews
from studyapp.bank.model import Bank
from studyapp.errors import ExportError
from studyapp.tui.screens.interview import InterviewScreen
from tests.tui.conftest import DEMO, DEMO_NAME
from tests.tui.test_study_kinds import MORE


@pytest.fixture
def demos(demos: Path) -> Path:
    """The demo with a drill."""
    source = DEMO.replace("import between, breaks, each", "import Drill, between, breaks, each, exercise") + MORE
    (demos / f"{DEMO_NAME}.py").write_text(source, encoding="utf-8")
    return demos


@pytest.fixture
def bank(bank: Bank) -> Bank:
    """The first question has a drill and a function too; the third is core."""
    first = msgspec.structs.replace(bank.questions["first"], drills=(f"{DEMO_NAME}.size",), write=(f"{DEMO_NAME}.other",))
    return replace(bank, questions={**bank.questions, "first": first})


def text(app: Any, selector: str) -> str:
    return str(app.screen.query_one(selector, Static).content)


async def begin(app: Any, pilot: Any, *keys: str) -> None:
    """Open the page and begin."""
    await pilot.press("i", *keys, "enter")
    await pilot.pause()
    assert isinstance(app.screen, InterviewScreen)


async def say(app: Any, pilot: Any, points: int = 3) -> None:
    """Answer the question with so many points ticked, and take the rating that they speak for."""
    await pilot.press("space")
    for _ in range(points):
        await pilot.press("x", "down")
    await pilot.press("space", "space")
    await pilot.pause()


@pytest.mark.parametrize("size", [(80, 24), (140, 45)])
@pytest.mark.parametrize("language", ["en", "zh"])
async def test_the_page_turns_minutes_level_and_topics(make_app: Any, language: str, size: Any) -> None:
    """What is chosen there is what is asked; the last topic cannot be taken out; nothing is cut off."""
    app = make_app(language=language)
    async with app.run_test(size=size) as pilot:
        await pilot.press("i")
        await pilot.pause()
        words = app.context.t
        assert words("interview.no_history") in text(app, "#before")
        await pilot.press("plus", "minus", "minus", "v", "t", "down", "t")
        await pilot.pause()
        rows = app.screen.query_one("#topics", OptionList)
        assert [str(rows.get_option_at_index(n).prompt)[0] for n in range(2)] == [" ", "✓"]
        assert "− 25 +" in text(app, "#numbers") and words("interview.level_deep") in text(app, "#numbers")
        assert app.screen.query_one("#before").region.bottom < size[1]
        await pilot.press("enter")
        await pilot.pause()
        session = app.screen.session
        assert (session.minutes, session.interviewer.level, session.interviewer.topics) == (25, "deep", ("position",))
        assert app.screen.card.card == "third#recall"


async def test_answers_are_kept_at_once_and_nothing_is_scheduled(make_app: Any, store: Any, clock: Any) -> None:
    """Each answer stands in the log with its points, time and outline as soon as it is given; no card is reviewed by it."""
    app = make_app()
    async with app.run_test(size=(100, 30)) as pilot:
        await begin(app, pilot)
        first = app.screen.card.card
        assert "30:00" in text(app, "#counts") and "question 1" in text(app, "#counts")
        clock.forward(seconds=40)
        await pilot.press("space")
        clock.forward(seconds=100)
        await pilot.press("x", "space", "space")
        await pilot.pause()
        (event,) = store.observed("interview")
        assert (event.card, event.seconds, event.data["ticked"], event.data["missed"]) == (first, 40.0, [0], 2)
        assert round(event.data["said"], 2) == 0.33 and store.card(first).state == "new" and store.days() == {}
        assert "27:40" in app.screen.counts_line()
        app.screen._tick()
        assert "27:40" in text(app, "#counts")


async def test_a_good_answer_leads_deeper_and_a_bad_one_elsewhere(make_app: Any) -> None:
    """The title says why a question is asked."""
    app = make_app()
    async with app.run_test(size=(100, 30)) as pilot:
        await begin(app, pilot)
        await say(app, pilot)
        turn = app.screen.session.turn
        assert turn.depth == 1 and turn.why in ("deeper", "number")
        assert app.context.t(f"interview.why_{turn.why}") in text(app, "#title")
        await app.workers.wait_for_complete()
    app = make_app()
    async with app.run_test(size=(100, 30)) as pilot:
        await begin(app, pilot)
        topic = app.screen.question.topic
        await say(app, pilot, points=0)
        assert app.screen.session.turn.why == "elsewhere" and app.screen.question.topic != topic


async def test_undo_asks_the_last_question_again(make_app: Any, store: Any) -> None:
    """u takes the answer out of the log, and the question stands there anew."""
    app = make_app()
    async with app.run_test(size=(100, 30)) as pilot:
        await begin(app, pilot)
        first = app.screen.card.card
        await say(app, pilot, points=1)
        assert app.screen.card.card != first
        await pilot.press("u")
        await pilot.pause()
        assert app.screen.card.card == first and not store.observed("interview") and not app.screen.session.answers


async def test_a_question_left_out_is_not_said_to_come_tomorrow(make_app: Any, store: Any) -> None:
    """Nothing is put off: it is left out of this interview alone."""
    app = make_app()
    async with app.run_test(size=(100, 30)) as pilot:
        await begin(app, pilot)
        await pilot.press("b")
        await pilot.pause()
        (told,) = app._notifications
        assert told.message == "Left out of this interview." and not store.cards()


async def finished(app: Any, pilot: Any) -> None:
    """Two answers, after which no question of level core is left: the sheet."""
    await begin(app, pilot)
    await say(app, pilot, points=1)
    await say(app, pilot, points=0)
    assert app.screen.phase == "done"


async def test_leaving_is_asked_for_twice(make_app: Any, store: Any) -> None:
    """Once is a slip; twice ends the interview with its sheet, and the answers are kept."""
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await begin(app, pilot)
        await say(app, pilot, points=1)
        await pilot.press("escape")
        await pilot.pause()
        assert app.screen.phase == "ask" and app.screen.warned
        app.screen._stay()
        await pilot.press("escape")
        await pilot.pause()
        assert app.screen.phase == "ask"
        await pilot.press("escape")
        await pilot.pause()
        assert app.screen.phase == "done" and len(store.observed("interview")) == 1
        assert not app._notifications, "the question whether to leave would lie over the sheet"


@pytest.mark.parametrize("size", [(80, 24), (140, 45)])
@pytest.mark.parametrize("language", ["en", "zh"])
async def test_the_sheet_tells_topics_and_what_to_study_tonight(make_app: Any, language: str, size: Any) -> None:
    """At the end: how much was said, by topic, the answers, and the questions to study; each opens to be read."""
    app = make_app(language=language)
    async with app.run_test(size=size) as pilot:
        await finished(app, pilot)
        summary = text(app, "#summary")
        assert app.context.t("interview.ends") in summary and "17 %" in summary and "0 %" in summary
        acts = [way.act for way in app.screen.query_one("SessionEnd").ways]
        assert acts == ["read", "read", "schedule", "save", "again", "read", "read"]
        await pilot.press("enter")
        await pilot.pause()
        assert app.screen.scope == "browse"


async def test_ratings_go_to_the_schedule_once_and_only_if_agreed(make_app: Any, store: Any) -> None:
    """Chosen at the end, each answer becomes a review with its rating and its ticks; the offer is gone then."""
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await finished(app, pilot)
        asked = [each.card for each in app.screen.session.answers]
        assert not any(store.card(card).reps for card in asked)
        await pilot.press("down", "down", "enter")
        await pilot.pause()
        reviews = [event for event in store.events() if event.kind == "review"]
        assert [(e.card, e.rating) for e in reviews] == [(a.card, a.rating) for a in app.screen.session.answers]
        assert reviews[0].data == {"interview": app.screen.session.id, "ticked": [0]}
        acts = [way.act for way in app.screen.query_one("SessionEnd").ways]
        assert "schedule" not in acts
        assert interviews.on_schedule(app.context, app.screen.session.held, app.context.clock()) == 0


async def test_the_sheet_is_saved_and_another_compared(make_app: Any, tmp_path: Path, clock: Any) -> None:
    """It is written as Markdown into the data folder; the page then lists the interview, and the next sheet names it."""
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await finished(app, pilot)
        await pilot.press("down", "down", "down", "enter")
        await pilot.pause()
        (file,) = (tmp_path / "interviews").glob("*.md")
        sheet = file.read_text("utf-8")
        assert sheet.startswith("# Mock interview · 2026-11-23 12:00") and "- [x] Var grows [d]" in sheet and "## Tonight" in sheet
        clock.forward(days=1)
        await pilot.press("down", "enter")
        await pilot.pause()
        assert app.screen.phase == "ask" and "30:00" in text(app, "#counts")
        await say(app, pilot, points=0)
        await pilot.press("escape", "escape")
        await pilot.pause()
        assert app.screen.phase == "done" and "2026-11-23: 2 asked" in text(app, "#summary")
        await pilot.press("escape")
        await pilot.pause()
        assert text(app, "#before").count("asked") == 2


async def test_a_sheet_that_cannot_be_saved_is_told(make_app: Any) -> None:
    """Where the folder of the sheets is a file, that is an error with its reason, not a traceback."""
    app = make_app()
    async with app.run_test(size=(100, 30)) as pilot:
        await finished(app, pilot)
        app.context.home.mkdir(exist_ok=True)
        (app.context.home / "interviews").write_text("")
        with pytest.raises(ExportError, match="cannot be written"):
            interviews.save(app.context, app.screen.session.held)


async def test_time_that_is_up_lets_the_last_answer_be_given(make_app: Any, clock: Any) -> None:
    """The question on the table can be answered after the time; then the sheet comes."""
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await begin(app, pilot)
        clock.forward(minutes=31)
        app.screen._tick()
        assert "time is up" in text(app, "#counts")
        await say(app, pilot)
        assert app.screen.phase == "done" and len(app.screen.session.answers) == 1


async def test_without_an_answer_it_is_left_at_once(make_app: Any) -> None:
    """Nothing is asked, and nothing kept."""
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await begin(app, pilot)
        await pilot.press("escape")
        await pilot.pause()
        assert app.screen.scope == "interview" and not interviews.held(app.context)


async def test_a_draft_of_study_is_left_to_study(make_app: Any) -> None:
    """An outline begun in Study is not seen in an interview, and is there when Study goes on."""
    app = make_app()
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("enter", "o", *"mine", "escape", "escape")
        await pilot.pause()
        assert app.context.drafts["first#recall"].outline == "mine"
        await pilot.press("i", "down", "t", "enter")
        await pilot.pause()
        assert app.screen.card.card == "first#recall" and app.screen.query_one("Outline").text == ""
        await pilot.press("escape", "escape", "enter")
        await pilot.pause()
        assert app.screen.query_one("Outline").text == "mine"
