"""The quiz: choices and numbers, what is told after them, and the end."""

from typing import Any

import msgspec
import pytest
from textual.widgets import OptionList

from studyapp.lab import protocol as events
from studyapp.quiz.quiz import Quiz
from studyapp.tui.screens.home import Home
from studyapp.tui.screens.quiz import QuizScreen
from studyapp.tui.widgets.key_footer import KeyFooter
from studyapp.tui.widgets.session_end import SessionEnd
from tests.tui.conftest import DEMO_NAME

SIZES = ((80, 24), (140, 45))
DRILL = f"{DEMO_NAME}.size"


def text(app: Any, selector: str) -> str:
    return str(app.screen.query_one(selector).content)


def asked(app: Any) -> Any:
    return app.screen.asked


def right(app: Any) -> str:
    return str(asked(app).answer + 1)


def wrong(app: Any) -> str:
    return str((asked(app).answer + 1) % 2 + 1)


@pytest.fixture
def drilled(make_app: Any, demos: Any) -> Any:
    """An app over a bank whose first question names a drill of the demo."""
    file = demos / f"{DEMO_NAME}.py"
    source = file.read_text("utf-8").replace("import between", "import Drill, between")
    file.write_text(
        source + '\n\ndef drill_size(rng) -> Drill:\n    return Drill(en="?", zh="?", answer=2.0, unit="GiB", '
        'steps=[("so", "这样")], proved_by="variance_is_dk")\n',
        encoding="utf-8",
    )
    app = make_app()
    first = app.context.bank.questions["first"]
    app.context.bank.questions["first"] = msgspec.structs.replace(first, drills=(DRILL,))
    return app


def one_drill(app: Any) -> QuizScreen:
    return QuizScreen(app.context, None, Quiz.draw([app.context.bank.questions["first"]], ["drill"], 1, seed=4))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("language", ["en", "zh"])
async def test_a_choice_is_answered_by_its_number_and_told(make_app: Any, language: str, size: Any) -> None:
    """From Home: after the answer the right one is marked, what is so stands below, and its claim is the evidence."""
    app = make_app(language=language)
    async with app.run_test(size=size) as pilot:
        await pilot.press("z")
        assert isinstance(app.screen, QuizScreen) and app.screen.phase == "choose"
        assert asked(app).question.ask[language] in text(app, "#ask")
        await pilot.press(wrong(app))
        await app.workers.wait_for_complete()
        assert app.screen.phase == "told" and app.screen.quiz.right == 0
        options = app.screen.query_one("#options", OptionList)
        prompts = [str(options.get_option_at_index(n).prompt) for n in range(options.option_count)]
        assert prompts[asked(app).answer].startswith("✓") and prompts[int(wrong(app)) - 1].startswith("✗")
        assert asked(app).options[asked(app).answer][language] in text(app, "#told")
        await pilot.press("space")
        assert app.screen.phase == "choose" and not app.screen.query_one("#told").display


async def test_evidence_waits_for_the_answer(make_app: Any) -> None:
    """Before it no key runs, reads or shows what would give it away, and the footer names none; after it they do."""
    app = make_app()
    async with app.run_test(size=(140, 45)) as pilot:
        await pilot.press("z")
        await pilot.press("r", "c", "p", "v", "n", "y", "tab")
        assert isinstance(app.screen, QuizScreen) and app.screen.phase == "choose" and not app.screen.running
        assert "run" not in text(app, "KeyFooter") and not app.screen.query_one("#right").display
        await pilot.press(right(app))
        await app.workers.wait_for_complete()
        assert "run" in text(app, "KeyFooter") and app.screen.query_one("#right").display


async def test_a_number_is_typed_and_what_is_none_is_not_graded(drilled: Any) -> None:
    """The demo makes the question; a slip is told and the field stays; a hint shows the first step; units are converted."""
    async with drilled.run_test(size=(80, 24)) as pilot:
        await drilled.push_screen(one_drill(drilled))
        await drilled.workers.wait_for_complete()
        assert drilled.screen.phase == "type" and "How large is [d]?" in text(drilled, "#ask")
        answer = asked(drilled).number.answer
        await pilot.press(*"1,25", "enter")
        await drilled.workers.wait_for_complete()
        assert drilled.screen.phase == "type" and "1.25 GiB" in text(drilled, "#told") and drilled.screen.quiz.left == 1
        await pilot.press("f6")
        await drilled.workers.wait_for_complete()
        assert "so much [x]" in text(drilled, "#told")
        await pilot.press(*["backspace"] * 4, *f"{1024 * answer:g}", "space", *"MiB", "enter")
        await drilled.workers.wait_for_complete()
        assert drilled.screen.phase == "told" and drilled.screen.quiz.right == 1
        response = drilled.screen.quiz.answered[0].response
        assert response.hinted and drilled.screen.panel.refs == (f"{DEMO_NAME}.variance_is_dk",)


async def test_a_drill_that_cannot_be_made_is_told_and_left_out(drilled: Any, lab: Any) -> None:
    """The quiz goes on without it."""

    async def broken(*args: Any, **more: Any) -> Any:
        yield events.Ended(False, "crash", "gone")

    lab.run = broken
    async with drilled.run_test(size=(80, 24)) as pilot:
        await drilled.push_screen(one_drill(drilled))
        await drilled.workers.wait_for_complete()
        await pilot.pause()
        assert drilled.screen.phase == "done" and len(drilled._notifications) == 1
        assert not drilled.screen.quiz.answered


async def test_the_end_says_the_score_and_asks_the_misses_again(make_app: Any) -> None:
    """With other options; a missed card can be read; esc is home."""
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("z")
        count = len(app.screen.quiz.cards)
        await pilot.press(wrong(app), "space")
        missed = app.screen.quiz.missed[0].asked
        for _ in range(count - 1):
            await pilot.press(right(app), "space")
        assert app.screen.phase == "done" and f"{count - 1} of {count} right" in text(app, "#summary")
        acts = [way.act for way in app.screen.query_one(SessionEnd).ways]
        assert acts == ["topic", "again", "read"]
        await pilot.press("down", "enter")
        assert app.screen.phase == "choose" and [card for _, card in app.screen.quiz.cards] == [missed.card]
        await pilot.press("escape")
        assert isinstance(app.screen, Home)


async def test_the_language_changes_with_the_question_on_the_screen(make_app: Any) -> None:
    """Question, options and what was told; the answer given stays."""
    app = make_app(language="en")
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("z", "1")
        await app.workers.wait_for_complete()
        grade = app.screen.grade
        await pilot.press("f2")
        assert app.screen.grade is grade and asked(app).question.ask.zh in text(app, "#ask")
        assert "下一题" in text(app, "KeyFooter") and isinstance(app.screen.query_one(KeyFooter), KeyFooter)


async def test_a_topic_with_nothing_to_ask_is_told(make_app: Any) -> None:
    """Home stays, with the reason."""
    app = make_app()
    for name, question in app.context.bank.questions.items():
        app.context.bank.questions[name] = msgspec.structs.replace(question, corrections=())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("z")
        assert isinstance(app.screen, Home) and len(app._notifications) == 1
