"""The Lab: demos by topic, their claims, and parameters to turn."""

from typing import Any

import pytest
from textual.widgets import OptionList, Static

from studyapp.tui.screens.home import Home
from studyapp.tui.screens.lab import LabScreen
from studyapp.tui.widgets.evidence_head import EvidenceHead
from studyapp.tui.widgets.evidence_panel import EvidencePanel
from studyapp.tui.widgets.evidence_text import EvidenceText
from studyapp.tui.widgets.parameter_form import ParameterForm

VARIANCE = "attention/score_scaling.variance_is_dk"


async def settle(app: Any, pilot: Any) -> None:
    """Wait until no worker runs and all is painted."""
    await app.workers.wait_for_complete()
    await pilot.pause(0.1)


async def test_the_list_names_demos_under_the_titles_of_their_topics(make_app: Any) -> None:
    """A heading that cannot be chosen, then name and summary of each demo in the language of now."""
    app = make_app()
    async with app.run_test(size=(140, 45)) as pilot:
        await pilot.press("l")
        await settle(app, pilot)
        listing = app.screen.query_one("#list", OptionList)
        heading, demo = (listing.get_option_at_index(i) for i in range(2))
        assert heading.disabled and "Attention" in str(heading.prompt)
        assert demo.id == "attention/score_scaling" and "score_scaling" in str(demo.prompt)
        assert "Dividing keeps [scores] small." in str(demo.prompt)
        await pilot.press("ctrl+l")
        await settle(app, pilot)
        assert "除法使分数保持较小。" in str(listing.get_option_at_index(1).prompt)


@pytest.mark.parametrize("width", [80, 140])
async def test_an_entry_is_as_high_as_it_is_drawn(make_app: Any, width: int) -> None:
    """The height that an entry of the list says before it is drawn is that of its lines, however narrow the list."""
    app = make_app()
    async with app.run_test(size=(width, 24)) as pilot:
        await pilot.press("l")
        await settle(app, pilot)
        listing = app.screen.query_one("#list", OptionList)
        style = listing.get_visual_style("option-list--option")
        for place in range(listing.option_count):
            option = listing.get_option_at_index(place)
            assert listing._heights[place] == len(listing._get_option_render(option, style))


async def test_the_list_is_drawn_for_the_width_it_has(make_app: Any) -> None:
    """At once, after the terminal became narrower, and after it became wider again; the last line can be reached at each."""
    app = make_app()
    async with app.run_test(size=(140, 24)) as pilot:
        await pilot.press("l")
        await settle(app, pilot)
        listing, seen = app.screen.query_one("#list", OptionList), []
        for width in (140, 70, 90, 140):
            await pilot.resize_terminal(width, 24)
            await settle(app, pilot)
            room = listing.scrollable_content_region.width
            lines = [listing.render_line(y) for y in range(listing.option_count)]
            assert {line.cell_length for line in lines} == {room}
            seen.append((room, [line.text for line in lines]))
            assert listing.virtual_size.height == sum(listing._heights.values())
        assert seen[0] == seen[3] != seen[1] != seen[2]


async def test_the_list_reads_no_demo_but_the_one_on_show(make_app: Any, demos: Any) -> None:
    """With two hundred demos in the folder, opening the Lab parses one of them."""
    source = (demos / "attention" / "score_scaling.py").read_text("utf-8")
    for i in range(200):
        (demos / "attention" / f"copy_{i:03}.py").write_text(source, "utf-8")
    app = make_app()
    async with app.run_test(size=(140, 45)) as pilot:
        await pilot.pause()
        await pilot.press("l")
        await settle(app, pilot)
        assert app.screen.query_one("#list", OptionList).option_count == 202
        assert len(app.context.catalog.demos._read) == 1


async def test_keys_work_before_the_first_demo_is_drawn(make_app: Any, demos: Any) -> None:
    """With two hundred demos, keys pressed at once move over the list; the demo where they end is the one drawn, and no other."""
    source = (demos / "attention" / "score_scaling.py").read_text("utf-8")
    for i in range(200):
        (demos / "attention" / f"copy_{i:03}.py").write_text(source, "utf-8")
    app = make_app()
    async with app.run_test(size=(140, 45)) as pilot:
        await pilot.pause()
        await app.push_screen(LabScreen(app.context))
        for key in ("down", "down", "end", "up"):
            app.simulate_key(key)
        await pilot.pause(0.5)
        await settle(app, pilot)
        listing = app.screen.query_one("#list", OptionList)
        assert listing.highlighted_option is not None and listing.highlighted_option.id == "attention/copy_199"
        assert "attention/copy_199" in str(app.screen.query_one("#title", Static).content)
        assert set(app.context.catalog.demos._read) == {"attention/copy_199"}


async def test_it_runs_what_the_form_says_and_keeps_the_former_run(make_app: Any, lab: Any) -> None:
    """r runs all claims; a turned value is handed on; the claim then shows the new run and the one before."""
    app = make_app()
    async with app.run_test(size=(140, 45)) as pilot:
        await pilot.press("l")
        await settle(app, pilot)
        await pilot.press("r")
        await settle(app, pilot)
        app.screen.query_one(ParameterForm).fields[0].input.value = "8,32"
        await pilot.press("r")
        await settle(app, pilot)
        assert [a[2] for a in lab.asked] == [{}, {"widths": (8, 32)}]
        assert [dict(r.parameters) for r in app.context.history.of(VARIANCE)] == [{"widths": (8, 32)}, {}]
        shown = app.screen.query_one(EvidenceText).plain()
        assert shown.index("widths = 8,32") < shown.index("before: defaults")


async def test_a_parameter_with_two_defaults_is_left_to_each_claim_until_turned(make_app: Any, lab: Any, demos: Any) -> None:
    """Its field is empty and says which claim has which; untouched it hands nothing on, and either default can be asked for."""
    file = demos / "attention" / "score_scaling.py"
    source = file.read_text("utf-8")
    file.write_text(source.replace("saturates(samples=128)", "saturates(samples=16)"), "utf-8")
    app = make_app()
    async with app.run_test(size=(140, 45)) as pilot:
        await pilot.press("l")
        await settle(app, pilot)
        field = next(f for f in app.screen.query_one(ParameterForm).fields if f.parameter == "samples")
        assert (field.input.value, field.input.placeholder) == ("", "128 · 16")
        assert "128 in variance_is_dk" in field.may_be and "16 in softmax_saturates" in field.may_be
        await pilot.press("r")
        await settle(app, pilot)
        field.input.value = "128"
        await pilot.press("r")
        await settle(app, pilot)
        assert [(a[1], a[2]) for a in lab.asked] == [
            (("variance_is_dk", "softmax_saturates"), {}), (("softmax_saturates",), {"samples": 128})
        ]  # fmt: skip


@pytest.mark.parametrize("size", [(80, 24), (140, 45)])
async def test_p_goes_to_the_form_and_escape_leaves_field_then_screen(make_app: Any, size: Any) -> None:
    """p puts the keyboard into the first field; esc gives it back; esc again goes home."""
    app = make_app()
    async with app.run_test(size=size) as pilot:
        await pilot.press("l")
        await settle(app, pilot)
        await pilot.press("p")
        await pilot.pause()
        assert app.focused is app.screen.query_one(ParameterForm).fields[0].input
        assert "esc\u00a0leave\u00a0the\u00a0field" in str(app.screen.query_one("KeyFooter").content)
        await pilot.press("tab")
        await pilot.pause()
        assert app.focused is app.screen.query_one(ParameterForm).fields[1].input
        await pilot.press("escape")
        await pilot.pause()
        assert isinstance(app.screen, LabScreen) and app.focused is None
        await pilot.press("escape")
        await pilot.pause()
        assert isinstance(app.screen, Home)


async def test_what_runs_is_brought_into_sight(make_app: Any, lab: Any) -> None:
    """Where the terminal is low the claims lie below the parameters; r shows that something runs."""
    lab.hang = True
    app = make_app()
    async with app.run_test(size=(80, 14)) as pilot:
        await pilot.press("l")
        await settle(app, pilot)
        await pilot.press("r")
        await pilot.pause(0.2)
        head, panel = app.screen.query_one(EvidenceHead), app.screen.query_one(EvidencePanel)
        assert panel.display and app.context.t("lab.running", claim="variance_is_dk") == head.state
        assert panel.region.contains_region(head.region)


async def test_going_down_the_list_waits_for_no_demo(make_app: Any, demos: Any, monkeypatch: Any) -> None:
    """Twenty keys down a list of demos read none; only the one on which the cursor rests is read and shown."""
    monkeypatch.setattr("studyapp.tui.screens.lab.REST_SECONDS", 3600)
    source = (demos / "attention" / "score_scaling.py").read_text("utf-8")
    for i in range(40):
        (demos / "attention" / f"copy_{i:03}.py").write_text(source, "utf-8")
    app = make_app()
    async with app.run_test(size=(140, 45)) as pilot:
        await pilot.press("l")
        await settle(app, pilot)
        await pilot.press(*["down"] * 19)
        await pilot.pause()
        assert len(app.context.catalog.demos._read) == 1, "the first alone, on which the Lab opened"
        monkeypatch.setattr("studyapp.tui.screens.lab.REST_SECONDS", 0.01)
        await pilot.press("down")
        await pilot.pause(0.5)
        assert app.screen.query_one(EvidencePanel).current == "attention/copy_020.variance_is_dk"
        assert len(app.context.catalog.demos._read) == 2
