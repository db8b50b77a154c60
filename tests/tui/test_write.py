"""Writing a function on its screen: the file, the claims at each save, hints, and the ways there."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from studyapp.bank.model import Bank
from studyapp.lab.attempts import AttemptStore
from studyapp.lab.protocol import Ended
from studyapp.tui.screens.browse import Browse
from studyapp.tui.screens.lab import LabScreen
from studyapp.tui.screens.write import WATCH_SECONDS, WriteScreen
from studyapp.tui.widgets.key_footer import KeyFooter
from studyapp.tui.widgets.written_text import JudgedText, TaskText
from tests.doubles import CHECK, FakeLab
from tests.tui.conftest import DEMO, DEMO_NAME

EXERCISES = '''

@exercise(claims=("variance_is_dk", "softmax_saturates"), wrong=("adds",))
def scale(x: Tensor, d: int) -> Tensor:
    """x over the root of d [markup], (n, d).

    x 除以 d 的平方根，(n, d)。"""
    root = math.sqrt(d)  # a number
    return x / root


@exercise(claims=("softmax_saturates",), wrong=("adds",))
def other(x: int) -> int:
    """Another.

    另一个。"""
    return x
'''
REFS = (f"{DEMO_NAME}.scale", f"{DEMO_NAME}.other")
BODY = "import math\n\n\ndef scale(x, d):\n    return x\n"
BROKEN = replace(CHECK, held=False, got=4.0, margin=-2.8)


@pytest.fixture
def demos(demos: Path) -> Path:
    """The demo with two functions to write."""
    path = demos / f"{DEMO_NAME}.py"
    head = "import math\n\nfrom torch import Tensor\n\nfrom studyapp.evidence import between, breaks, each, exercise\n"
    source = DEMO.replace("\nfrom studyapp.evidence import between, breaks, each\n", head) + EXERCISES
    path.write_text(source, encoding="utf-8")
    return demos


@pytest.fixture
def bank(bank: Bank) -> Bank:
    """The first question asks for both functions, and for one that is not there."""
    first = msgspec.structs.replace(bank.questions["first"], write=(*REFS, "attention/gone.scale"))
    return replace(bank, questions={**bank.questions, "first": first})


@pytest.fixture
def save(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Write a text into the file of the first function, as an editor does; files lie in a folder whose name is short."""
    monkeypatch.chdir(tmp_path)

    def write(text: str, ref: str = REFS[0]) -> None:
        path = AttemptStore(Path("written")).path(ref)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_text(text)
        part.replace(path)

    return write


def open_app(make_app: Any, **changes: Any) -> Any:
    app = make_app(**changes)
    app.context.attempts = AttemptStore(Path("written"))
    return app


async def settle(pilot: Any) -> None:
    """Past the next look at the file, and to the end of what that begins."""
    await pilot.pause(WATCH_SECONDS + 0.1)
    await pilot.app.workers.wait_for_complete()
    await pilot.pause(0.1)


def task(app: Any) -> str:
    """What the left says."""
    return app.screen.query_one(TaskText).draw(70).plain


def judged(app: Any) -> str:
    """What the right says."""
    return app.screen.query_one(JudgedText).draw(70).plain


async def test_each_save_is_judged_while_the_screen_stands(make_app: Any, lab: FakeLab, save: Any, monkeypatch: Any) -> None:
    """What an editor saves runs in the function's place, what breaks stands beside what is expected, and each version is kept."""
    app = open_app(make_app)
    monkeypatch.setattr("studyapp.tui.screens.write.edit", lambda _, path: None)
    async with app.run_test(size=(140, 45)) as pilot:
        await app.push_screen(WriteScreen(app.context, REFS))
        await pilot.press("e")
        await settle(pilot)
        first = app.context.attempts.read(REFS[0])
        assert first.startswith(f"# {REFS[0]}\n") and "root =" not in first and not lab.replaced  # made, and nothing to judge yet
        lab.held, lab.check = False, BROKEN
        save(BODY)
        await settle(pilot)
        assert lab.replaced == [{"scale": BODY}] and lab.asked[-1][:2] == (DEMO_NAME, ("variance_is_dk", "softmax_saturates"))
        said = judged(app)
        assert "0 of 2 claims hold" in said and "✗ Var(q·k) is d" in said and "Var/d" in said
        assert said.index("yours") < said.index("expected")
        lab.held, lab.check = True, CHECK
        await pilot.press("r")
        await settle(pilot)
        assert "Every claim holds." in judged(app) and "expected" not in judged(app)
        (kept,) = app.context.attempts.history(REFS[0])
        assert kept.text == BODY and kept.held
        assert app.context.history.of(f"{DEMO_NAME}.variance_is_dk") == ()  # the cards' evidence is of the demo, not of the learner


async def test_whatever_goes_wrong_is_told_on_the_screen(make_app: Any, lab: FakeLab, save: Any) -> None:
    """A text that is no Python, a run that is stopped, a lab that cannot start: each is a sentence, and the next save is judged."""
    app = open_app(make_app)
    async with app.run_test(size=(80, 24)) as pilot:
        await app.push_screen(WriteScreen(app.context, REFS))
        save("def scale(x, d):\n    return (\n")
        await settle(pilot)
        assert "line 2 is not Python" in judged(app) and not lab.replaced
        lab.ends = Ended(False, "timeout", "stopped", claim="variance_is_dk", limit="30 s")
        save(BODY)
        await settle(pilot)
        assert "variance_is_dk ran longer than 30 s" in judged(app).replace("\n", " ") and "0 of 2" in judged(app)
        lab.ends = Ended(False, "unavailable", "no fork here")
        await pilot.press("r")
        await settle(pilot)
        assert "the lab cannot start: no fork here" in judged(app)
        lab.ends = None
        frame = '  File "<score_scaling.scale as written>", line 5, in scale\n    return x @ d\n'
        lab.error = f"Traceback (most recent call last):\n{frame}TypeError: no"
        await pilot.press("r")
        await settle(pilot)
        assert "could not run: TypeError: no · line 5: return x @ d" in " ".join(judged(app).split())
        lab.error = None
        save(BODY + "\n")
        await settle(pilot)
        assert "Every claim holds." in judged(app)
        assert [a.claims["variance_is_dk"] for a in app.context.attempts.history(REFS[0])] == ["crashed", "held"]


async def test_leaving_stops_what_runs(make_app: Any, lab: FakeLab, save: Any) -> None:
    """Esc leaves at once and ends the run; a newer save ends the run of the one before."""
    app = open_app(make_app)
    lab.hang = True
    save(BODY)
    async with app.run_test(size=(140, 45)) as pilot:
        screen = WriteScreen(app.context, REFS)
        await app.push_screen(screen)
        await pilot.pause(0.1)
        assert screen.running and "running the claims" in judged(app) and not lab.cancelled
        save(BODY + "\n")
        await pilot.pause(WATCH_SECONDS + 0.2)
        assert lab.cancelled and len(lab.replaced) == 2 and screen.running
        lab.cancelled = False
        await pilot.press("escape")
        await pilot.pause(0.1)
        assert app.screen is not screen and lab.cancelled and not screen.running


async def test_hints_come_one_by_one_and_the_body_when_asked_twice(make_app: Any, save: Any) -> None:
    """First the idea, then the steps; one press of p shows nothing of the body, the second all of it."""
    app = open_app(make_app, language="zh")
    async with app.run_test(size=(140, 45)) as pilot:
        await app.push_screen(WriteScreen(app.context, REFS))
        await pilot.pause()
        assert "x over the root of d [markup]" in task(app) and "除法使分数" not in task(app)
        await pilot.press("h")
        assert "除法使分数保持较小。" in task(app) and "root: a number" not in task(app)
        await pilot.press("p", "h")
        assert "root: a number" in task(app) and "x / root" not in task(app)
        await pilot.press("p")
        assert "x / root" in task(app)


async def test_several_functions_are_offered_in_turn(make_app: Any, lab: FakeLab, save: Any) -> None:
    """f goes to the next, whose own file is judged, and round to the first."""
    app = open_app(make_app)
    save("def other(x):\n    return x + 1\n", REFS[1])
    async with app.run_test(size=(140, 45)) as pilot:
        screen = WriteScreen(app.context, REFS)
        await app.push_screen(screen)
        await pilot.press("f")
        await settle(pilot)
        assert screen.ref == REFS[1] and "def other" in task(app) and list(lab.replaced[-1]) == ["other"]
        await pilot.press("f", "y")
        assert screen.ref == REFS[0] and Path("written", f"{REFS[0]}.py").exists()
        assert Path(app.clipboard).name == "score_scaling.scale.py"


@pytest.mark.parametrize(("keys", "there"), [("enter f", True), ("l f", True), ("b F", True), ("b down F", False)])
async def test_what_is_on_show_leads_to_its_functions(make_app: Any, keys: str, there: bool) -> None:
    """A card, a demo and a row of Browse lead to those functions that there are; where there is none, that is said."""
    app = open_app(make_app)
    async with app.run_test(size=(140, 45)) as pilot:
        first, *rest = keys.split()
        await pilot.press(first)
        await pilot.pause(0.3)
        await pilot.press(*rest)
        await pilot.pause()
        assert isinstance(app.screen, WriteScreen) is there
        if there:
            assert app.screen.refs == REFS
            await pilot.press("escape")
            await pilot.pause()
            assert isinstance(app.screen, Browse | LabScreen) or app.screen.scope == "study"


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_the_footer_names_the_way_where_there_is_one(make_app: Any, language: str) -> None:
    """A revealed card, a demo and a row of Browse name the key where there is a function to write, also in 80 columns, and nowhere else."""
    app = open_app(make_app, language=language)
    named = {"en": "write it", "zh": "写函数"}[language]

    def footer() -> str:
        content = app.screen.query_one(KeyFooter).content
        assert len(content.wrap(78)) <= 2  # what it has room for
        return str(content).replace("\u00a0", " ")

    async with app.run_test(size=(80, 24)) as pilot:
        for keys, key in (("enter", ""), ("space", "f"), ("space", "f"), ("escape b", "F"), ("down", ""), ("escape l", "f")):
            await pilot.press(*keys.split())
            await pilot.pause(0.3)
            assert (f"{key} {named}" in footer()) if key else (named not in footer()), keys


STATES = {"empty": "", "broken": BODY, "held": BODY}


@pytest.mark.parametrize("size", ["80x24", "140x45"])
@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("state", STATES)
def test_the_screen(snap_compare: Any, make_app: Any, lab: FakeLab, save: Any, state: str, language: str, size: str) -> None:
    """The screen before anything is written, where a claim breaks, and where all hold, is the picture that was looked at."""
    app = open_app(make_app, language=language)
    width, height = map(int, size.split("x"))
    if state == "broken":
        lab.held, lab.check = False, BROKEN

    async def go_there(pilot: Any) -> None:
        await app.push_screen(WriteScreen(app.context, REFS))
        if STATES[state]:
            save(STATES[state])
        await settle(pilot)
        if state == "held":
            await pilot.press("h")
            await pilot.pause()

    assert snap_compare(app, terminal_size=(width, height), run_before=go_there)
