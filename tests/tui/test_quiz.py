"""The quiz: choices and numbers, what is told after them, and the end."""

from typing import Any

import msgspec
import pytest
from textual.widgets import Input, OptionList

from studyapp.bank.refs import CardId
from studyapp.lab import protocol as events
from studyapp.quiz.quiz import Quiz
from studyapp.tui.screens.browse import Browse
from studyapp.tui.screens.home import Home
from studyapp.tui.screens.quiz import QuizScreen
from studyapp.tui.widgets.key_footer import KeyFooter
from studyapp.tui.widgets.layout import Static
from studyapp.tui.widgets.session_end import SessionEnd
from tests import doubles
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


def prove(app: Any) -> None:
    """Let a claim of the demo show what puts each belief right."""
    for name, question in app.context.bank.questions.items():
        belief = msgspec.structs.replace(question.corrections[0], proof=(f"{DEMO_NAME}.variance_is_dk",))
        app.context.bank.questions[name] = msgspec.structs.replace(question, corrections=(belief,))


def drill_and(app: Any, other: str) -> QuizScreen:
    """The drill, and then it once more or a choice."""
    first, second = (app.context.bank.questions[name] for name in ("first", "second"))
    drill = (first, CardId("first", "drill", "size"))
    return QuizScreen(app.context, None, Quiz([drill, drill if other == "drill" else (second, CardId("second", "choice"))], 4))


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
        await pilot.press(wrong(app), wrong(app))
        await app.workers.wait_for_complete()
        assert app.screen.phase == "told" and app.screen.quiz.right == 0 and len(app.screen.quiz.answered) == 1
        options = app.screen.query_one("#options", OptionList)
        prompts = [str(options.get_option_at_index(n).prompt) for n in range(options.option_count)]
        assert prompts[asked(app).answer].startswith("✓") and prompts[int(wrong(app)) - 1].startswith("✗")
        assert asked(app).options[asked(app).answer][language] in text(app, "#told")
        await pilot.press("space")
        assert app.screen.phase == "choose" and not app.screen.query_one("#told").display


@pytest.mark.parametrize("size", SIZES)
async def test_evidence_waits_for_the_answer(make_app: Any, lab: Any, size: Any) -> None:
    """Before it no key runs, reads, copies or shows what would give it away, nor that of the card before; after it they do."""
    app = make_app()
    prove(app)
    async with app.run_test(size=size) as pilot:
        await pilot.press("z")
        for _ in range(2):
            screen = app.screen
            await pilot.press("r", "t", "c", "p", "v", "n", "d", "y", "f6", "tab")
            await app.workers.wait_for_complete()
            assert app.screen is screen and isinstance(screen, QuizScreen) and screen.phase == "choose"
            assert not lab.asked and not app.clipboard and not screen.panel.form.display
            assert screen.query_one("#left").display and not screen.query_one("#right").display
            assert "run" not in text(app, "KeyFooter") and not screen.query_one("#told").display
            await pilot.press(right(app))
            await app.workers.wait_for_complete()
            assert "run" in text(app, "KeyFooter") and screen.query_one("#right").display is (size == SIZES[1])
            await pilot.press("space")


async def test_a_run_ends_with_its_card_and_the_form_before_the_quiz(make_app: Any, lab: Any) -> None:
    """Going on stops what runs; the open form speaks the language of now, and esc closes it before it leaves."""
    app = make_app(language="en")
    prove(app)
    lab.hang = True
    async with app.run_test(size=(140, 45)) as pilot:
        await pilot.press("z", right(app) if isinstance(app.screen, QuizScreen) else "1", "r")
        await pilot.pause()
        assert app.screen.running
        await pilot.press("space")
        await pilot.pause()
        assert not app.screen.running and lab.cancelled
        await pilot.press(right(app), "p")
        await pilot.pause()
        form = app.screen.panel.form
        said = [str(each.content) for each in form.query(Static)]
        assert form.display and said
        await pilot.press("escape", "f2")
        await pilot.pause(0.2)
        assert [str(each.content) for each in form.query(Static)] != said
        await pilot.press("escape")
        assert isinstance(app.screen, QuizScreen) and not form.display
        await pilot.press("escape")
        assert isinstance(app.screen, Home)


async def test_an_answer_takes_as_long_as_its_card_stood(make_app: Any, clock: Any) -> None:
    """Another language on the way begins nothing anew, and a miss is timed from when it is asked again."""
    app = make_app(language="en")
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("z")
        clock.forward(seconds=30)
        await pilot.press("f2")
        clock.forward(seconds=10)
        await pilot.press(wrong(app))
        assert app.screen.quiz.answered[0].response.seconds == 40
        await pilot.press("space")
        while app.screen.phase != "done":
            await pilot.press(right(app), "space")
        clock.forward(minutes=5)
        await pilot.press("down", "enter")
        clock.forward(seconds=7)
        await pilot.press(right(app))
        assert [each.response.seconds for each in app.screen.quiz.answered] == [7]


async def test_a_number_is_typed_and_what_is_none_is_not_graded(drilled: Any, lab: Any) -> None:
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
        assert f"{1024 * answer:g} MiB" in text(drilled, "#told") and not lab.asked, "enter in the field runs nothing"


async def test_nothing_of_a_card_stays_with_the_next(drilled: Any, monkeypatch: Any) -> None:
    """Neither what was typed, nor the slip, nor the hint, which is the first step alone; and space goes back into the field."""
    monkeypatch.setitem(doubles.DRILL, "steps", (("one step", "第一步"), ("two steps", "第二步")))
    async with drilled.run_test(size=(80, 24)) as pilot:
        await drilled.push_screen(drill_and(drilled, "drill"))
        await drilled.workers.wait_for_complete()
        await pilot.press(*"abc", "enter", "f6", "f2")
        await drilled.workers.wait_for_complete()
        told = text(drilled, "#told")
        assert drilled.context.t("quiz.title") == "测验" and "abc" in told and "不是" in told
        assert "第一步" in told and "第二步" not in told
        field = drilled.screen.query_one("#number", Input)
        field.value = f"{asked(drilled).number.answer:g}"
        await pilot.press("enter")
        await drilled.workers.wait_for_complete()
        await pilot.press("space")
        await drilled.workers.wait_for_complete()
        assert drilled.screen.phase == "type" and not drilled.screen.query_one("#told").display
        assert field.value == "" and drilled.focused is field and not drilled.screen.hinted
        await pilot.press("escape")
        assert drilled.focused is not field
        await pilot.press("space")
        assert drilled.focused is field and isinstance(drilled.screen, QuizScreen)


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
        await drilled.push_screen(drill_and(drilled, "choice"))
        await drilled.workers.wait_for_complete()
        assert drilled.screen.phase == "choose" and asked(drilled).card.kind == "choice" and drilled.screen.quiz.left == 1


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


async def test_the_end_leads_to_a_missed_card(make_app: Any) -> None:
    """It is read in Browse, with what the belief is heard in told before; where all was right there is nothing to go over."""
    app = make_app()
    for name, question in app.context.bank.questions.items():
        belief = msgspec.structs.replace(question.corrections[0], heard=("vaswani2017 §3",))
        app.context.bank.questions[name] = msgspec.structs.replace(question, corrections=(belief,))
    async with app.run_test(size=(80, 24)) as pilot:
        for choose in (right, wrong):
            await pilot.press("z")
            while app.screen.phase != "done":
                await pilot.press(choose(app))
                await app.workers.wait_for_complete()
                whole = all(each.right for each in asked(app).statements)
                assert ("Vaswani et al. (2017) §3" in text(app, "#told")) is not whole
                await pilot.press("space")
            ways = app.screen.query_one(SessionEnd).ways
            if choose is right:
                assert [way.act for way in ways] == ["topic"]
                await pilot.press("escape")
        missed = app.screen.quiz.missed[0].asked.question
        await pilot.press("down", "down", "enter")
        await pilot.pause()
        assert isinstance(app.screen, Browse) and app.screen.question == missed


async def test_the_language_changes_with_the_question_on_the_screen(make_app: Any) -> None:
    """Question, options and what was told; the answer given stays."""
    app = make_app(language="en")
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("z", "down", "f2", "f2")
        assert app.screen.query_one("#options", OptionList).highlighted == 1
        await pilot.press("1")
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
