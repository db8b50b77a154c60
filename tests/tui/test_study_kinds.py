"""Study with cards that are answered on the screen: choices, numbers and functions."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from textual.widgets import Input

from studyapp.bank.model import Bank
from studyapp.lab.attempts import Attempt, AttemptStore
from studyapp.lab.protocol import Ended
from studyapp.tui.screens.write import WATCH_SECONDS, WriteScreen
from tests.doubles import FakeLab
from tests.tui.conftest import DEMO, DEMO_NAME

MORE = '''

def drill_size(rng) -> Drill:
    return Drill(en="How large?", zh="多大？", answer=2.0, within=0.01, unit="GiB", steps=[("so", "这样")], proved_by="variance_is_dk")


@exercise(claims=("softmax_saturates",), wrong=("adds",))
def other(x: int) -> int:
    """Another.

    另一个。"""
    return x
'''
WRITE = f"{DEMO_NAME}.other"
ALL = ("choice", "drill", "write")


@pytest.fixture
def demos(demos: Path) -> Path:
    """The demo with a drill and a function to write."""
    path = demos / f"{DEMO_NAME}.py"
    source = DEMO.replace("import between, breaks, each", "import Drill, between, breaks, each, exercise") + MORE
    path.write_text(source, encoding="utf-8")
    return demos


@pytest.fixture
def bank(bank: Bank) -> Bank:
    """The first question alone, which has a card of each kind."""
    first = msgspec.structs.replace(bank.questions["first"], drills=(f"{DEMO_NAME}.size",), write=(WRITE,))
    topic = msgspec.structs.replace(bank.topics[0], questions=("first",))
    return replace(bank, topics=(topic,), questions={"first": first})


@pytest.fixture
def on_the_day_of(make_app: Any, store: Any, clock: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The app on a day on which one kind of card of the first question is asked, and nothing else."""

    def make(kind: str, **changes: Any) -> Any:
        monkeypatch.chdir(tmp_path)
        app = make_app(kinds={"all": (kind,)}, **changes)
        app.context.attempts = AttemptStore(Path("written"))
        store.append("review", "first#recall", clock(), rating=4)
        clock.forward(days=1)
        return app

    return make


def text(app: Any, selector: str) -> str:
    return str(app.screen.query_one(selector).content)


def suggested(app: Any) -> list[int]:
    return [n for n in (1, 2, 3, 4) if app.screen.query_one(f"#rate-{n}").has_class("-suggested")]


async def settle(pilot: Any, seconds: float = 0.1) -> None:
    await pilot.app.workers.wait_for_complete()
    await pilot.pause(seconds)


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_a_choice_is_chosen_told_rated_and_kept(on_the_day_of: Any, store: Any, clock: Any, language: str) -> None:
    """Number keys choose, then rate; what is so and what carries it is told between, the suggestion marked; the log holds the
    seed, the option and the time until it was chosen, not until it was rated."""
    app = on_the_day_of("choice", language=language)
    async with app.run_test(size=(140, 45)) as pilot:
        await pilot.press("enter")
        screen, seed = app.screen, app.screen.asked.seed
        assert screen.phase == "choose" and not screen.query_one("#foot").display and not screen.query_one("#right").display
        clock.forward(seconds=30)
        await pilot.press(str(screen.asked.answer + 1))
        await settle(pilot)
        assert screen.phase == "told" and suggested(app) == [3] and screen.query_one("#right").display
        belief = screen.asked.question.corrections[0]
        assert belief.right[language] in text(app, "#told") or any(p[language] in text(app, "#told") for p in screen.asked.question.points)
        clock.forward(seconds=300)
        await pilot.press("3")
        await settle(pilot)
        event = store.events("first#choice")[-1]
        assert (event.rating, event.seconds, event.data["right"]) == (3, 30.0, True)
        assert event.data["seed"] == seed
        assert screen.phase == "choose" and screen.card.reps == 1  # in learning: asked again, with other options
        assert screen.asked.seed != event.data["seed"] and screen.grade is None


async def test_a_wrong_choice_may_be_overruled_and_the_whole_answer_read(on_the_day_of: Any, store: Any) -> None:
    """Wrong suggests Again; space opens answer and points; the learner's own rating is what is kept, beside the suggested one."""
    app = on_the_day_of("choice")
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("enter")
        screen = app.screen
        await pilot.press(str((screen.asked.answer + 1) % len(screen.asked.options) + 1))
        await settle(pilot)
        assert suggested(app) == [1] and "✗" in str(screen.query_one("#options").get_option_at_index(int(screen.chosen)).prompt)
        await pilot.press("space")
        await settle(pilot)
        assert screen.phase == "full" and screen.query_one("#answer").display and suggested(app) == [1]
        await pilot.press("x")
        assert suggested(app) == [1]
        await pilot.press("2")
        await settle(pilot)
        event = store.events("first#choice")[-1]
        assert (event.rating, event.data["suggested"], event.data["right"]) == (2, 1, False)


@pytest.mark.parametrize(("off", "unit", "keys", "rating"), [(0, "", (), 3), (0, " GiB", ("f6",), 2), (1, "", (), 1)])
async def test_a_number_is_made_typed_and_rated(
    on_the_day_of: Any, store: Any, clock: Any, off: int, unit: str, keys: Any, rating: int
) -> None:
    """Drawn in the lab, typed with or without its unit; right after a hint is Hard, wrong Again; a slip is no answer."""
    app = on_the_day_of("drill")
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("enter")
        await settle(pilot)
        screen = app.screen
        assert screen.phase == "type" and screen.query_one("#number", Input).has_focus
        clock.forward(seconds=60)
        await pilot.press(*"much", "enter")
        await settle(pilot)
        assert screen.phase == "type" and screen.slip is not None
        typed = f"{screen.asked.number.answer + off:g}{unit}"
        screen.query_one("#number", Input).value = typed
        await pilot.press(*keys, "enter")
        await settle(pilot)
        assert screen.phase == "told" and suggested(app) == [rating] and screen.focused is None
        await pilot.press(str(rating))
        await settle(pilot)
        event = store.events("first#drill:size")[-1]
        assert (event.rating, event.data["typed"], event.data.get("hinted", False)) == (rating, typed, bool(keys))


async def test_a_question_that_cannot_be_made_is_told_and_waits(on_the_day_of: Any, store: Any, lab: FakeLab) -> None:
    """Nothing is written; space tries again, b puts it off."""
    app = on_the_day_of("drill")
    lab.ends = Ended(False, "unavailable", "no fork here")
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("enter")
        await settle(pilot)
        screen = app.screen
        assert screen.phase == "stuck" and "space" in text(app, "#think").lower() and app._notifications
        await pilot.press("space")
        await settle(pilot)
        assert screen.phase == "stuck"
        lab.ends = None
        await pilot.press("space")
        await settle(pilot)
        assert screen.phase == "type" and len(store.events("first#drill:size")) == 0
        await pilot.press("escape", "b")
        await settle(pilot)
        assert screen.phase == "done" and store.events("first#drill:size")[-1].kind == "bury"


async def written(pilot: Any, body: str) -> None:
    """Open the function from the card, save a body, and come back."""
    await pilot.press("f")
    await pilot.pause()
    screen = pilot.app.screen
    assert isinstance(screen, WriteScreen)
    path = screen.context.attempts.path(WRITE)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(body)
    await pilot.pause(WATCH_SECONDS + 0.1)
    await settle(pilot)
    await pilot.press("escape")
    await settle(pilot)


@pytest.mark.parametrize(("held", "hint", "rating"), [(True, False, 3), (True, True, 2), (False, False, 1)])
async def test_a_function_is_written_judged_and_rated(
    on_the_day_of: Any, store: Any, lab: FakeLab, held: bool, hint: bool, rating: int
) -> None:
    """f opens it; what the claims said there is the answer: held is Good, Hard after a hint, and Again where one broke."""
    lab.held = held
    app = on_the_day_of("write")
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("enter")
        screen = app.screen
        assert screen.phase == "code" and WRITE in text(app, "#think")
        if hint:
            await pilot.press("f", "h", "escape")
            await settle(pilot)
            assert screen.phase == "code"
        await written(pilot, "def other(x):\n    return 2 * x\n")
        assert app.screen is screen and screen.phase == "told" and suggested(app) == [rating]
        await pilot.press(str(rating))
        await settle(pilot)
        event = store.events("first#write:other")[-1]
        assert (event.rating, event.data["held"], event.data.get("hinted", False)) == (rating, held, hint)


async def test_whoever_looked_at_the_body_is_asked_again(on_the_day_of: Any, lab: FakeLab) -> None:
    """However right what is then written, also when it is gone on with."""
    app = on_the_day_of("write")
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("enter", "f", "p", "p", "escape")
        await settle(pilot)
        assert app.screen.phase == "told" and suggested(app) == [1]
        await written(pilot, "def other(x):\n    return x\n")
        assert app.screen.grade.data["held"] and suggested(app) == [1]


async def test_a_function_that_broke_a_claim_can_be_gone_on_with(on_the_day_of: Any, lab: FakeLab) -> None:
    """Until it is rated f opens it as it stands, and what it comes to then is the answer."""
    app = on_the_day_of("write")
    lab.held = False
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("enter")
        await written(pilot, "def other(x):\n    return 2 * x\n")
        assert suggested(app) == [1]
        lab.held = True
        await pilot.press("f")
        await settle(pilot)
        assert "2 * x" in app.context.attempts.read(WRITE)
        await pilot.press("escape")
        await settle(pilot)
        assert app.screen.phase == "told" and suggested(app) == [3]


async def test_a_function_is_written_anew_each_time_and_what_was_there_is_kept(on_the_day_of: Any, clock: Any) -> None:
    """A body that held before gives way to an empty one, and stands among the versions; one that did not hold yet is gone on
    with."""
    app = on_the_day_of("write")
    attempts, old = app.context.attempts, "def other(x):\n    return x\n"
    attempts.begin(WRITE, old)
    attempts.keep(WRITE, Attempt(clock(), old, {"softmax_saturates": "broken"}))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("enter", "f")
        await settle(pilot)
        assert attempts.read(WRITE) == old
        attempts.keep(WRITE, Attempt(clock(), old, {"softmax_saturates": "held"}))
        attempts.path(WRITE).write_text(f"{old}# better\n")
        await pilot.press("escape")
        await settle(pilot)
        app.screen.put_card()
        await app.screen.show()
        await pilot.press("f")
        await settle(pilot)
        assert "return" not in attempts.read(WRITE) and [each.text for each in attempts.history(WRITE)][-1] == f"{old}# better\n"


async def test_an_answer_waits_for_its_rating_while_one_looks_elsewhere(on_the_day_of: Any, store: Any, clock: Any) -> None:
    """Left after the answer and taken up again, the card is not asked anew, and keeps its time; undone, it is."""
    app = on_the_day_of("drill")
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("enter")
        await settle(pilot)
        clock.forward(seconds=50)
        typed = f"{app.screen.asked.number.answer:g}"
        await pilot.press(*typed, "enter")
        await settle(pilot)
        assert app.screen.phase == "told"
        await pilot.press("escape", "enter")
        await settle(pilot)
        assert app.screen.phase == "told" and suggested(app) == [3] and f"you typed: {typed}" in text(app, "#told")
        await pilot.press("4")
        await settle(pilot)
        assert store.events("first#drill:size")[-1].seconds == 50.0 and app.screen.phase == "done"
        await pilot.press("u")
        await settle(pilot)
        assert app.screen.phase == "type" and store.card("first#drill:size").state == "new"


async def test_each_card_has_its_own_time(on_the_day_of: Any, store: Any, clock: Any) -> None:
    """After a number that took a minute, the recall of an hour later is not a minute long, nor the other way round."""
    app = on_the_day_of("drill")
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("enter")
        await settle(pilot)
        clock.forward(seconds=60)
        await pilot.press(*f"{app.screen.asked.number.answer:g}", "enter")
        await settle(pilot)
        clock.forward(days=60)  # the next day's card is recall
        await pilot.press("4")
        await settle(pilot)
        clock.forward(days=60)
        await app.screen.draw_next()
        assert app.screen.phase == "ask"
        clock.forward(seconds=25)
        await pilot.press("space", "3")
        await settle(pilot)
        reviews = {card: store.events(card)[-1].seconds for card in ("first#drill:size", "first#recall")}
        assert reviews == {"first#drill:size": 60.0, "first#recall": 25.0}


@pytest.mark.parametrize("kind", ALL)
async def test_nothing_gives_the_answer_away_before_it(on_the_day_of: Any, lab: FakeLab, kind: str) -> None:
    """No key runs, shows or copies evidence, or rates, while a card waits for its answer."""
    app = on_the_day_of(kind)
    async with app.run_test(size=(140, 45)) as pilot:
        await pilot.press("enter")
        await settle(pilot)
        screen, began = app.screen, len(lab.asked)
        await pilot.press("escape" if kind == "drill" else "x")
        await pilot.press("r", "t", "c", "p", "v", "n", "d", "y", "tab")
        await settle(pilot)
        assert app.screen is screen and screen.phase in ("choose", "type", "code")
        assert len(lab.asked) == began and not app.clipboard and not screen.query_one("#right").display
