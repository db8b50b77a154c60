"""The evidence beside a card and in the Lab: it follows the point, runs, turns, and can be read to its last line."""

import os
from typing import Any

import pytest
from textual._compositor import Compositor

from studyapp.bank.compiled import load_compiled
from studyapp.context import AppContext
from studyapp.lab.protocol import Ended
from studyapp.paths import questions_dir
from studyapp.settings import Settings
from studyapp.tui.app import StudyApp
from studyapp.tui.screens.dialogs import CodeView
from studyapp.tui.screens.home import Home
from studyapp.tui.screens.study import Study
from studyapp.tui.widgets.evidence_head import EvidenceHead
from studyapp.tui.widgets.evidence_panel import EvidencePanel
from studyapp.tui.widgets.evidence_text import EvidenceText
from studyapp.tui.widgets.parameter_form import ParameterForm
from studyapp.tui.widgets.points import Points

SIZES = [(80, 24), (140, 45)]
VARIANCE, SATURATES = (f"attention/score_scaling.{c}" for c in ("variance_is_dk", "softmax_saturates"))


def evidence(app: Any) -> str:
    """The evidence as text."""
    return app.screen.query_one(EvidenceText).plain()


def head(app: Any) -> str:
    """The line above it."""
    shown = app.screen.query_one(EvidenceHead)
    return str(shown.draw(100))


async def settle(app: Any, pilot: Any) -> None:
    """Wait until no worker runs and all is painted."""
    await app.workers.wait_for_complete()
    await pilot.pause(0.1)


@pytest.mark.parametrize("size", SIZES)
async def test_the_evidence_is_that_of_the_point_under_the_cursor(make_app: Any, size: Any) -> None:
    """Each move of the cursor shows the claim of that point and no other; a point that a source carries shows the source."""
    app = make_app()
    async with app.run_test(size=size) as pilot:
        await pilot.press("enter", "space", "tab")
        await pilot.pause()
        assert "Var(q·k) is d [markup]" in evidence(app) and "saturates" not in evidence(app)
        assert "evidence 1 of 2 · point 1" in head(app)
        await pilot.press("down")
        await pilot.pause()
        assert "softmax saturates" in evidence(app) and "Var(q·k)" not in evidence(app)
        await pilot.press("down")
        await pilot.pause()
        assert "Attention Is All You Need" in evidence(app) and "§3.2.1" in evidence(app)


async def test_n_steps_through_every_claim_of_the_card_and_the_cursor_goes_along(make_app: Any) -> None:
    """n goes from claim to claim, round at the end, and the cursor stands on the point that the claim carries."""
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("enter", "space", "n")
        await pilot.pause()
        assert app.screen.query_one(Points).cursor == 1 and app.screen.query_one(EvidencePanel).current == SATURATES
        await pilot.press("n")
        await pilot.pause()
        assert app.screen.query_one(Points).cursor == 0 and app.screen.query_one(EvidencePanel).current == VARIANCE


@pytest.mark.parametrize(("size", "beside"), [((80, 24), False), ((140, 45), True)])
async def test_the_evidence_stands_beside_the_answer_or_in_its_place(make_app: Any, size: Any, beside: bool) -> None:
    """Wide screens show both; narrow ones the answer, and on tab the evidence under the point it belongs to."""
    app = make_app()
    async with app.run_test(size=size) as pilot:
        await pilot.press("enter", "space")
        await pilot.pause()
        left, right = app.screen.query_one("#left"), app.screen.query_one("#right")
        assert left.display and right.display is beside
        await pilot.press("tab")
        await pilot.pause()
        assert right.display and left.display is beside
        assert beside or "Var grows [d]" in str(app.screen.query_one("#here").render())


async def test_checks_are_folded_until_asked_for_and_open_where_they_broke(make_app: Any) -> None:
    """One line says how many hold; v says each; a check that broke is said in full all the same."""
    app = make_app()
    async with app.run_test(size=(140, 45)) as pilot:
        await pilot.press("enter", "space")
        await pilot.pause()
        assert "✓ 1 check holds" in evidence(app) and "Var/d" not in evidence(app)
        await pilot.press("v")
        await pilot.pause()
        assert "Var/d is 1.01 at d = 16, as expected: 1 ± 0.2" in evidence(app)


async def test_v_brings_what_it_unfolds_into_sight(make_app: Any) -> None:
    """Below a picture that fills the pane, the checks that v unfolds are seen without another key."""
    app = make_app()
    async with app.run_test(size=(80, 20)) as pilot:
        await pilot.press("enter", "space", "tab")
        await pilot.pause()
        panel = app.screen.query_one(EvidencePanel)
        assert panel.pane.max_scroll_y and panel.pane.scroll_y == 0
        await pilot.press("v")
        await settle(app, pilot)
        line = next(i for i, text in enumerate(panel.text.plain().splitlines()) if "Var/d is 1.01" in text)
        assert panel.pane.content_region.contains(panel.text.region.x, panel.text.region.y + line)


async def test_where_it_comes_from_is_said_once(make_app: Any) -> None:
    """Machine, torch and date stand under the evidence one time, however many claims a point has."""
    app = make_app()
    async with app.run_test(size=(140, 45)) as pilot:
        await pilot.press("l")
        await settle(app, pilot)
        assert evidence(app).count("recorded on cpu") == 1 and evidence(app).count("is d [markup]") == 1


async def test_a_run_marks_what_it_saw_and_shows_it_once(make_app: Any, lab: Any) -> None:
    """r runs every claim of the card here: marks double, and the recorded run, which showed the same, is not drawn again."""
    app = make_app()
    async with app.run_test(size=(140, 45)) as pilot:
        await pilot.press("enter", "space", "r")
        await settle(app, pilot)
        assert lab.asked == [("attention/score_scaling", ("variance_is_dk", "softmax_saturates"), {})]
        assert [r.mark for r in app.screen.query_one(Points).rows] == ["✓✓", "≈≈", "·"]
        assert "this machine, just now" in evidence(app) and evidence(app).count("64.2") == 1


async def test_marks_of_points_and_claims_agree_after_going_home_and_back(make_app: Any, lab: Any) -> None:
    """What ran in this sitting is still known when the card is opened again, left and right."""
    app = make_app()
    async with app.run_test(size=(140, 45)) as pilot:
        await pilot.press("enter", "space", "r")
        await settle(app, pilot)
        await pilot.press("escape", "enter")
        await settle(app, pilot)
        assert app.screen.query_one(Points).rows[0].mark == "✓✓" and "✓✓ Var(q·k) is d" in evidence(app)


async def test_a_claim_that_breaks_is_shown_as_plainly(make_app: Any, lab: Any) -> None:
    """A live run that does not hold turns the mark into ✗, and the recorded run that did hold stays in full beside it."""
    lab.held = False
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("enter", "space", "tab", "r")
        await settle(app, pilot)
        assert app.screen.query_one(Points).rows[0].mark == "✗"
        assert "✗ Var(q·k) is d" in evidence(app) and "before: defaults" in evidence(app) and evidence(app).count("64.2") == 2


async def test_what_could_not_run_does_not_look_refuted(make_app: Any, lab: Any) -> None:
    """A claim that raised says that it could not run and why; nothing about it is ✗."""
    lab.error = "Traceback (most recent call last):\n  …\nRuntimeError: negative dimension [-5]\n"
    app = make_app()
    async with app.run_test(size=(140, 45)) as pilot:
        await pilot.press("enter", "space", "r")
        await settle(app, pilot)
        assert "could not run: RuntimeError: negative dimension [-5]" in evidence(app)
        assert "✗" not in evidence(app) and app.screen.query_one(Points).rows[0].mark == "!"


@pytest.mark.parametrize("reason", ["crash", "timeout", "memory", "unavailable"])
async def test_a_demo_that_fails_is_a_message_on_the_card(make_app: Any, lab: Any, store: Any, reason: Any) -> None:
    """However a run ends, what it showed stays, the reason is told as text, and the card can be rated."""
    lab.ends = Ended(False, reason, "killed by [SIGSEGV] [/x]")
    app = make_app()
    async with app.run_test(size=(140, 45)) as pilot:
        await pilot.press("enter", "space", "r")
        await settle(app, pilot)
        assert app.screen.query_one(EvidenceHead).state == lab.ends.why(app.context.t)
        assert app.context.history.of(VARIANCE)[0].evidence
        await pilot.press("3")
        await pilot.pause()
    assert store.card("first#recall").reps == 1


async def test_escape_stops_a_run_before_it_leaves_the_card(make_app: Any, lab: Any) -> None:
    """While a claim runs the footer says that esc stops; the first esc does and stays; the second goes home."""
    lab.hang = True
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("enter", "space", "r")
        await pilot.pause(0.1)
        assert "esc\u00a0stop" in str(app.screen.query_one("KeyFooter").content)
        await pilot.press("escape")
        await pilot.pause(0.1)
        assert lab.cancelled and isinstance(app.screen, Study)
        assert app.screen.query_one(EvidenceHead).state == app.context.t("lab.cancelled")
        assert app.context.history.of(VARIANCE)[0].state == "stopped"
        assert "esc\u00a0home" in str(app.screen.query_one("KeyFooter").content)
        await pilot.press("escape")
        await pilot.pause()
        assert isinstance(app.screen, Home)


@pytest.mark.parametrize("size", SIZES)
async def test_parameters_stand_beside_the_evidence_and_reach_the_lab_typed(make_app: Any, lab: Any, size: Any) -> None:
    """p opens the form in the evidence; what cannot be read is refused under its field; esc leaves field, form, card in turn."""
    app = make_app()
    async with app.run_test(size=size) as pilot:
        await pilot.press("enter", "space", "p")
        await pilot.pause()
        form = app.screen.query_one(ParameterForm)
        assert isinstance(app.screen, Study) and form.display and app.screen.query_one(EvidenceText).display
        field = form.fields[0]
        assert app.focused is field.input
        field.input.value = "x"
        await pilot.press("enter")
        await pilot.pause()
        assert "widths" in str(field.query_one(".problem").content) and not lab.asked
        field.input.value = "8,32"
        await pilot.press("enter")
        await settle(app, pilot)
        assert not field.query_one(".problem").display
        assert "widths = 8,32" in evidence(app) and "before: defaults" in evidence(app)
        await pilot.press("escape")
        await pilot.pause()
        assert app.focused is None and form.display
        await pilot.press("escape")
        await pilot.pause()
        assert not form.display and isinstance(app.screen, Study)


async def test_p_brings_the_form_into_sight(make_app: Any) -> None:
    """Scrolled to the end of the evidence, p shows the field that takes what is typed."""
    app = make_app()
    async with app.run_test(size=(80, 20)) as pilot:
        await pilot.press("enter", "space", "tab", "v", *["pagedown"] * 5)
        await settle(app, pilot)
        pane = app.screen.query_one(EvidencePanel).pane
        assert pane.scroll_y == pane.max_scroll_y > 0
        await pilot.press("p")
        await settle(app, pilot)
        assert pane.content_region.contains_region(app.focused.region)


async def test_a_claim_without_the_turned_parameter_is_not_run_again(make_app: Any, lab: Any) -> None:
    """Turning widths runs the claim that has widths; the other keeps what was recorded and no label of a run."""
    app = make_app()
    async with app.run_test(size=(140, 45)) as pilot:
        await pilot.press("enter", "space", "p")
        await pilot.pause()
        app.screen.query_one(ParameterForm).fields[0].input.value = "8,32"
        await pilot.press("enter")
        await settle(app, pilot)
        assert lab.asked[-1] == ("attention/score_scaling", ("variance_is_dk",), {"widths": (8, 32)})
        await pilot.press("escape", "down")
        await pilot.pause()
        assert "widths" not in evidence(app) and "just now" not in evidence(app)


async def test_what_is_out_of_range_is_refused_under_its_field(make_app: Any, lab: Any) -> None:
    """The range stands beside the field; a value outside it is one sentence under it, and nothing runs."""
    app = make_app()
    async with app.run_test(size=(140, 45)) as pilot:
        await pilot.press("enter", "space", "p")
        await pilot.pause()
        samples = next(f for f in app.screen.query_one(ParameterForm).fields if f.parameter == "samples")
        assert "2 … 4096" in samples.may_be
        samples.input.value = "1"
        await pilot.press("enter")
        await settle(app, pilot)
        assert "samples is 1, outside its range" in str(samples.query_one(".problem").content) and not lab.asked


async def test_t_tries_the_known_wrong_ways_one_after_the_other(make_app: Any, lab: Any) -> None:
    """The wrong ways of a claim are named; t runs the first, says why it breaks and marks it; t again runs the next."""
    lab.held = False
    app = make_app()
    async with app.run_test(size=(140, 45)) as pilot:
        await pilot.press("enter", "space")
        await pilot.pause()
        assert "try: widths = 1,1  samples = 2" in evidence(app)
        await pilot.press("t")
        await settle(app, pilot)
        assert lab.asked[-1] == ("attention/score_scaling", ("variance_is_dk",), {"widths": (1, 1)})
        assert "widths = 1,1 ✗" in evidence(app) and "One component [d] leaves nothing to sum." in evidence(app)
        lines = evidence(app).splitlines()
        label = next(i for i, line in enumerate(lines) if "just now" in line)
        assert "One component [d]" in lines[label + 1], "why it breaks stands above the picture of it"
        assert app.screen.query_one(Points).rows[0].mark == "✓", "a wrong way says nothing against the claim"
        await pilot.press("t")
        await settle(app, pilot)
        assert lab.asked[-1][2] == {"samples": 2} and "Two samples are too few." in evidence(app)


async def test_evidence_speaks_chinese_where_the_interface_does(make_app: Any) -> None:
    """Heads of tables, legends and checks are those of the demo's Chinese table."""
    app = make_app(language="zh")
    async with app.run_test(size=(140, 45)) as pilot:
        await pilot.press("enter", "space", "v")
        await pilot.pause()
        assert "方差" in evidence(app) and "方差与 d 之比" in evidence(app) and "Var" not in evidence(app).replace("Var(q·k)", "")


async def test_how_a_run_ended_is_said_in_the_language_of_now(make_app: Any, lab: Any) -> None:
    """After ctrl+l the line above the evidence says in Chinese what it had said in English."""
    app = make_app()
    async with app.run_test(size=(140, 45)) as pilot:
        await pilot.press("enter", "space", "r")
        await settle(app, pilot)
        assert app.context.t("lab.done") in head(app)
        await pilot.press("ctrl+l")
        await settle(app, pilot)
        assert app.context.language == "zh" and app.context.t("lab.done") in head(app)


async def test_a_long_value_is_read_in_its_field(make_app: Any) -> None:
    """A value longer than its field shows its end where it is typed, and no scrollbar in place of it."""
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("enter", "space", "tab", "p", *"16,64,16,64,16,64,16,64,16,64,1024")
        await settle(app, pilot)
        field = app.focused
        assert field.virtual_size.width > field.size.width and field.size.height == 1
        assert "1024" in "".join(segment.text for segment in field.render_line(0))


async def test_code_opens_and_closes(make_app: Any) -> None:
    """c shows the demo's source; esc comes back to the card."""
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("enter", "space", "c")
        await pilot.pause()
        assert isinstance(app.screen, CodeView)
        await pilot.press("escape")
        await pilot.pause()
        assert isinstance(app.screen, Study)


async def test_the_evidence_can_be_copied(make_app: Any) -> None:
    """y in the answer copies question and answer, y in the evidence what stands there."""
    app = make_app()
    async with app.run_test(size=(140, 45)) as pilot:
        await pilot.press("enter", "space", "y")
        await pilot.pause()
        assert app.clipboard.startswith("# Why first [d_model] [/x]?") and "Var grows [d]" in app.clipboard
        await pilot.press("tab", "y")
        await pilot.pause()
        assert "Var(q·k) is d [markup]" in app.clipboard and "64.2" in app.clipboard


async def test_a_run_is_not_drawn_into_another_card(make_app: Any, lab: Any) -> None:
    """A rating while claims run stops the run, and the next card shows nothing of it."""
    lab.hang = True
    app = make_app()
    async with app.run_test(size=(140, 45)) as pilot:
        await pilot.press("enter", "space", "r")
        await pilot.pause(0.1)
        await pilot.press("3")
        await pilot.pause(0.1)
        assert lab.cancelled and not app.screen.running


# ---------------------------------------------------------------------- the shipped bank


async def read_to_the_end(app: Any, pilot: Any, longest: int, pages: int = 40) -> int:
    """See that the last line of the current claim is within what the pane scrolls over, and where more is to be scrolled than
    `longest` turn pages until it is in sight; the lines to scroll, or `longest`."""
    panel = app.screen.query_one(EvidencePanel)
    text, pane = panel.text, panel.pane
    ends = sorted(t for t in (*text.tops.values(), text.size.height) if t > text.tops[panel.current])
    last = text.virtual_region.y + ends[0] - 1
    far = last - pane.size.height + 1
    assert far <= pane.max_scroll_y, f"{panel.current}: line {last} of {text.size.height} is out of reach"
    if far <= longest:
        return longest
    for _ in range(pages):
        if pane.scroll_y <= last < pane.scroll_y + pane.size.height:
            return far
        before = pane.scroll_y
        await pilot.press("pagedown")
        assert pane.scroll_y > before, f"{panel.current}: line {last} of {text.size.height} is out of reach"
    raise AssertionError(panel.current)


TOPICS = sorted({path.parent.name for path in questions_dir().glob("*/*.yaml")})


@pytest.mark.parametrize("topic", TOPICS)
@pytest.mark.parametrize(("size", "every"), [((80, 24), 1), ((140, 45), 1 if os.environ.get("STUDYAPP_TEST_ALL") else 8)])
async def test_every_claim_of_every_card_can_be_read_to_its_last_line(
    tmp_path: Any, cache: Any, lab: Any, monkeypatch: Any, size: Any, every: int, topic: str
) -> None:
    """Of the shipped bank keys alone bring the last line of each claim of each card into sight.

    Every card at 80×24, where most has to be scrolled; every eighth at 140×45, or all with STUDYAPP_TEST_ALL=1. Pages are turned
    where more is to be scrolled than anywhere before in the topic; of the rest the pane says how far it scrolls. All is laid out and
    nothing painted, which is asked for elsewhere and takes as long again.
    """
    monkeypatch.setattr(Compositor, "render_update", lambda compositor, **_: compositor._dirty_regions.clear())
    bank = load_compiled(questions_dir(), (), cache)
    context = AppContext(home=tmp_path, bank=bank, settings=Settings(timezone="UTC"), lab=lab)
    questions = [q for q in context.scheduled() if q.topic == topic][::every]
    app, seen, longest = StudyApp(context), set(), 0
    async with app.run_test(size=size) as pilot:
        await app.push_screen(Study(context, practice=True, only=[q.id for q in questions]))
        for question in questions:
            await pilot.press("space", "tab")
            await pilot.pause()
            panel = app.screen.query_one(EvidencePanel)
            assert app.screen.question is question
            if not panel.current:  # its first point leans on a source alone
                await pilot.press("n")
            for _ in panel.refs:
                if panel.awaits_guess:
                    await pilot.press("g", "enter")
                assert panel.text.region.width <= panel.pane.region.width
                longest = await read_to_the_end(app, pilot, longest)
                seen.add(panel.current)
                await pilot.press("n")
            await pilot.press("4")
    assert seen == {c for q in questions for c in q.claims}
