"""Study, driven by keys at both sizes and in both languages."""

import subprocess
import sys
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from textual.widgets import OptionList, Static

from studyapp.errors import SettingsError, StoreError
from studyapp.tui.screens.browse import Browse
from studyapp.tui.screens.home import Home
from studyapp.tui.screens.study import Study
from studyapp.tui.widgets.evidence_panel import EvidencePanel
from studyapp.tui.widgets.outline import Outline
from studyapp.tui.widgets.point_line import PointLine
from studyapp.tui.widgets.points import Points
from studyapp.tui.widgets.prose import Markdown, Prose
from studyapp.tui.widgets.ratings import Ratings
from studyapp.tui.widgets.session_end import SessionEnd

SIZES = [(80, 24), (140, 45)]
LANGUAGES = ["en", "zh"]


def text(app: Any, selector: str) -> str:
    """What a Static on the screen on top says."""
    return str(app.screen.query_one(selector, Static).content)


async def settle(app: Any, pilot: Any) -> None:
    """Wait until no worker runs and all is painted."""
    await app.workers.wait_for_complete()
    await pilot.pause()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_card_goes_from_home_to_its_rating(make_app: Any, store: Any, size: Any, language: str) -> None:
    """Enter studies, space reveals twice, x ticks, a digit rates, and the store then holds the review with its ticks."""
    app = make_app(language=language)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        assert isinstance(app.screen, Home)
        assert app.screen.query_one(OptionList).option_count == 3
        await pilot.press("enter")
        await pilot.pause()
        assert isinstance(app.screen, Study)
        assert "first [d_model] [/x]" in text(app, "#ask")
        assert not app.screen.query_one("#answer").display
        await pilot.press("space")
        await pilot.pause()
        assert app.screen.query_one("#answer").display and not app.screen.query_one("#rest").display
        await pilot.press("x", "down", "x")
        await pilot.pause()
        assert app.screen.query_one(Points).ticked == {0, 1}
        assert app.screen.query_one("#rate-2").has_class("-suggested")
        await pilot.press("space")
        await pilot.pause()
        assert app.screen.query_one("#rest").display
        assert app.screen.query_one(Points).ticked == {0, 1}
        await pilot.press("3")
        await pilot.pause()
        assert "second" in text(app, "#ask")
    reviews = [e for e in store.events() if e.kind == "review"]
    assert [(e.card, e.rating, tuple(e.data["ticked"]), e.data["suggested"]) for e in reviews] == [("first#recall", 3, (0, 1), 2)]
    assert reviews[0].language == language


async def test_nothing_is_rated_before_the_answer_is_seen(make_app: Any, store: Any) -> None:
    """A digit pressed on the bare question does nothing."""
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("enter", "3", "x")
        await pilot.pause()
        assert "first" in text(app, "#ask")
    assert not list(store.events())


async def test_undo_takes_the_answer_back_and_redo_gives_it_again(make_app: Any, store: Any) -> None:
    """After u the same question stands again and its card is new; ctrl+r restores the review."""
    app = make_app()
    async with app.run_test(size=(140, 45)) as pilot:
        await pilot.press("enter", "space", "4")
        await pilot.pause()
        assert "second" in text(app, "#ask")
        after = store.card("first#recall")
        await pilot.press("u")
        await pilot.pause()
        assert "first" in text(app, "#ask") and store.card("first#recall").reps == 0
        await pilot.press("ctrl+r")
        await pilot.pause()
        assert store.card("first#recall").stability == after.stability


async def test_suspend_and_bury_pass_to_the_next_card(make_app: Any, store: Any) -> None:
    """s and b leave the card behind, and its state says so."""
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("enter", "s")
        await pilot.pause()
        assert "second" in text(app, "#ask")
        await pilot.press("b")
        await pilot.pause()
        assert "third" in text(app, "#ask")
    assert store.card("first#recall").suspended and store.card("second#recall").buried_day is not None


async def test_the_sitting_ends_with_a_summary_and_practice_schedules_nothing(make_app: Any, store: Any) -> None:
    """When all is answered the summary counts it; practice goes on without moving any card."""
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("down", "down", "enter")
        await pilot.press("space", "4")
        await pilot.pause()
        assert app.screen.query_one("#done").display and "100" in text(app, "#summary")
        cards = dict(store.cards())
        await pilot.press("a")
        await pilot.pause()
        assert "third" in text(app, "#ask")
        await pilot.press("space", "1")
        await pilot.pause()
        assert dict(store.cards()) == cards


async def test_language_switches_on_a_key_without_losing_ticks(make_app: Any) -> None:
    """ctrl+l says the card in the other language, revealed as far as before, ticks kept."""
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("enter", "space", "x", "ctrl+l")
        await pilot.pause()
        assert text(app, "#ask").startswith("为什么") and app.screen.query_one(Points).ticked == {0}


async def test_the_mouse_ticks_and_rates(make_app: Any, store: Any) -> None:
    """A click on a point ticks it; a click on a rating gives it."""
    app = make_app()
    async with app.run_test(size=(140, 45)) as pilot:
        await pilot.press("enter", "space")
        await pilot.pause()
        await pilot.click(Points, offset=(12, 2))
        await pilot.pause()
        assert app.screen.query_one(Points).ticked == {2}
        assert app.screen.query_one(Ratings).region.bottom <= 45
        await pilot.click("#rate-4")
        await pilot.pause()
    assert [e.rating for e in store.events() if e.kind == "review"] == [4]


async def test_the_lab_starts_after_the_first_frame_and_is_closed(make_app: Any, lab: Any) -> None:
    """The app starts the lab by itself and leaves nothing running."""
    app = make_app()
    assert not lab.started
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(app, pilot)
        assert lab.started
    assert lab.closed


def test_the_interface_never_imports_torch() -> None:
    """A clean interpreter that imports the app has no torch, and no demo of ours, in its modules."""
    code = (
        "import sys, studyapp.tui.app; print(sorted(m for m in sys.modules if m.split('.')[0] in ('torch', 'demos')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("size", SIZES)
async def test_an_outline_is_read_beside_the_answer_and_gone_with_the_card(make_app: Any, size: Any) -> None:
    """o opens a field, esc leaves it; once revealed the words stand above the answer, and the next card has none."""
    app = make_app()
    async with app.run_test(size=size) as pilot:
        await pilot.press("enter", "o", *"3 x [d]", "escape", "space")
        await pilot.pause()
        outline = app.screen.query_one(Outline)
        assert outline.text == "3 x [d]" and "3 x [d]" in str(outline.query_one(".said", Static).content)
        assert app.screen.query_one("#answer").display
        await pilot.press("1")
        await pilot.pause()
        assert not outline.display and outline.text == ""


async def test_formulas_turn_into_their_tex_and_back(make_app: Any) -> None:
    """m shows the TeX of every formula, and again the drawing."""
    app = make_app()

    def prose() -> str:
        return str(app.screen.query_one("#brief", Prose).render())

    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("enter", "space")
        await pilot.pause()
        drawn = prose()
        await pilot.press("m")
        await pilot.pause()
        assert "frac" not in drawn and "\\frac{a}{b}" in prose()
        await pilot.press("m")
        await pilot.pause()
        assert prose() == drawn


async def test_a_click_on_what_comes_next_reads_it(make_app: Any) -> None:
    """The follow-up that has a file opens in Browse; esc comes back to the card."""
    app = make_app()
    async with app.run_test(size=(140, 45)) as pilot:
        await pilot.press("enter", "space", "space")
        await pilot.pause()
        rest = app.screen.query_one("#rest", Prose)
        await pilot.click(rest, offset=(6, next(y for y, line in enumerate(str(rest.render()).splitlines()) if "Why second" in line)))
        await pilot.pause()
        assert isinstance(app.screen, Browse) and app.screen.question.id == "second"
        await pilot.press("escape")
        await pilot.pause()
        assert isinstance(app.screen, Study)


async def test_a_card_that_another_window_answered_is_not_answered_twice(make_app: Any, store: Any, clock: Any) -> None:
    """The rating is refused with a reason, nothing is written, and the next card comes."""
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("enter", "space")
        await pilot.pause()
        store.append("review", "first#recall", clock(), rating=4)
        await pilot.press("x", "3")
        await pilot.pause()
        assert any("changed since it was shown" in n.message for n in app._notifications)
        assert "second" in text(app, "#ask")
    assert store.card("first#recall").reps == 1


@pytest.mark.parametrize("keys", [["3"], ["s"], ["b"], ["u"]])
async def test_a_database_that_refuses_is_a_message_and_the_card_stays(
    make_app: Any, store: Any, monkeypatch: Any, keys: list[str]
) -> None:
    """Locked by another program, nothing is lost: the message says what to do, and the same key works afterwards."""

    def refuse(*_: Any, **__: Any) -> None:
        raise StoreError("reviews.db: database is locked [/x]", "Another program holds it.")

    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("enter", "space", "4", "space")
        await pilot.pause()
        before, asked = len(store.events()), text(app, "#ask")
        with monkeypatch.context() as locked:
            locked.setattr(store, "write", refuse)
            locked.setattr(store, "reverse", refuse)
            await pilot.press(*keys)
            await pilot.pause()
        assert any("locked [/x]" in n.message and "Another program" in n.message for n in app._notifications)
        assert text(app, "#ask") == asked and len(store.events()) == before
        await pilot.press(*keys)
        await pilot.pause()
        assert len(store.events()) == before + 1


async def test_settings_that_cannot_be_kept_hold_for_the_sitting(make_app: Any) -> None:
    """In a folder that cannot be written the language changes all the same, and the learner is told."""

    def refuse(_: Any) -> None:
        raise SettingsError("settings.toml: cannot be written")

    app = make_app()
    app.context.save = refuse
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("ctrl+l")
        await pilot.pause()
        assert app.context.language == "zh" and any("cannot be written" in n.message for n in app._notifications)


@pytest.mark.parametrize("key", ["p", "c", "question_mark"])
async def test_keys_reach_the_card_after_a_window_was_opened_over_an_outline(make_app: Any, store: Any, key: str) -> None:
    """An outline written, the answer shown, a window opened and left: a digit rates, and nothing is typed into the outline."""
    app = make_app()
    async with app.run_test(size=(140, 45)) as pilot:
        await pilot.press("enter", "o", *"mine", "escape", "space", key)
        await pilot.pause()
        await pilot.press("escape")
        await pilot.pause()
        await pilot.press("3")
        await pilot.pause()
    assert [(e.card, e.rating) for e in store.events() if e.kind == "review"] == [("first#recall", 3)]


async def test_a_new_card_begins_with_the_cursor_on_its_first_point(make_app: Any) -> None:
    """Where the cursor stood on the last card says nothing about this one: x ticks the first point."""
    app = make_app()
    async with app.run_test(size=(140, 45)) as pilot:
        await pilot.press("enter", "space", "down", "down", "3", "space", "x")
        await pilot.pause()
        assert app.screen.query_one(Points).ticked == {0}


async def test_what_was_begun_is_kept_when_the_card_is_left(make_app: Any) -> None:
    """After esc to Home and back the same card stands as it was: revealed, outline and ticks kept, the cursor on its point."""
    app = make_app()
    async with app.run_test(size=(140, 45)) as pilot:
        await pilot.press("enter", "o", *"mine", "escape", "space", "x", "down", "escape")
        await pilot.pause()
        assert isinstance(app.screen, Home)
        await pilot.press("enter")
        await pilot.pause()
        points = app.screen.query_one(Points)
        assert "first" in text(app, "#ask") and app.screen.query_one("#answer").display
        assert (points.ticked, points.cursor) == ({0}, 1)
        assert "mine" in str(app.screen.query_one(Outline).query_one(".said", Static).content)


async def test_what_was_begun_is_gone_once_the_card_was_answered_elsewhere(make_app: Any, store: Any, clock: Any) -> None:
    """A card that was answered in another window meanwhile is asked anew."""
    app = make_app()
    async with app.run_test(size=(140, 45)) as pilot:
        await pilot.press("enter", "space", "x", "escape")
        await pilot.pause()
        store.append("review", "first#recall", clock(), rating=1)
        clock.forward(minutes=2)
        await pilot.press("enter")
        await pilot.pause()
        assert "first" in text(app, "#ask") and not app.screen.query_one("#answer").display
        assert app.screen.query_one(Points).ticked == set()


async def test_the_outline_of_the_last_time_stands_beside_todays(make_app: Any, store: Any, clock: Any) -> None:
    """The outline is kept with the review; when the card comes again it is shown after the answer, and what was missed is marked."""
    app = make_app()
    async with app.run_test(size=(140, 45)) as pilot:
        await pilot.press("enter", "o", *"before", "escape", "space", "x", "1")
        await pilot.pause()
        assert [e.data["outline"] for e in store.events() if e.kind == "review"] == ["before"]
        clock.forward(minutes=2)
        await pilot.press("escape", "enter")
        await pilot.pause()
        assert "first" in text(app, "#ask") and not app.screen.query_one(Outline).display, "not before the answer"
        await pilot.press("space")
        await pilot.pause()
        said = str(app.screen.query_one(Outline).query_one(".said", Static).content)
        assert app.context.t("study.last_said") in said and "before" in said
        shown = str(app.screen.query_one(Points).render()).split("[ ]")
        assert [app.context.t("study.missed") in point for point in shown[1:]] == [False, True, True]


async def test_the_footer_names_one_key_while_the_outline_has_the_keyboard(make_app: Any) -> None:
    """In the outline only esc does something; the footer says so and nothing else."""
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("enter", "o")
        await pilot.pause()
        assert str(app.screen.query_one("KeyFooter").content) == "esc\u00a0ends\u00a0the\u00a0outline"
        await pilot.press("escape")
        await pilot.pause()
        assert "space" in str(app.screen.query_one("KeyFooter").content)


async def test_a_word_in_passing_hides_no_rating_and_no_other_word(make_app: Any) -> None:
    """Three keys that can do nothing leave one toast, above the ratings."""
    app = make_app()
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await pilot.press("enter", "space", "u", "u", "u")
        await pilot.pause(0.2)
        toasts = list(app.screen.query("Toast"))
        assert len(toasts) == 1 and toasts[0].region.bottom <= app.screen.query_one(Ratings).region.y


async def test_a_narrower_terminal_keeps_the_point_and_the_pane(make_app: Any) -> None:
    """Resizing changes neither the cursor nor what is ticked, and the evidence stays that of the point."""
    app = make_app()
    async with app.run_test(size=(140, 45)) as pilot:
        await pilot.press("enter", "space", "down", "x", "tab")
        await pilot.pause()
        await pilot.resize_terminal(80, 24)
        await pilot.pause(0.2)
        points = app.screen.query_one(Points)
        assert (points.cursor, points.ticked) == (1, {1})
        assert app.screen.query_one("#right").display and not app.screen.query_one("#left").display
        assert app.screen.query_one(EvidencePanel).text.refs == ("attention/score_scaling.softmax_saturates",)


async def test_undo_says_what_it_took_back(make_app: Any) -> None:
    """The word after u names the rating and the card."""
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("enter", "space", "4", "u")
        await pilot.pause()
        assert any("Easy" in n.message and "first" in n.message for n in app._notifications)


async def test_the_end_offers_what_was_missed_and_what_comes_next(make_app: Any, store: Any) -> None:
    """At the end of a topic enter reads a miss; the misses can be gone over again at once, and another topic can be begun."""
    app = make_app()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("down", "enter")  # Attention: first and second
        await pilot.press("space", "4", "space", "2", "space", "4")  # second comes again within the sitting
        await pilot.pause()
        end = app.screen.query_one(SessionEnd)
        assert [(w.act, w.what) for w in end.ways] == [
            ("read", "second"), ("again", ""), ("topic", "position"), ("practice", "")
        ]  # fmt: skip
        await pilot.press("enter")
        await pilot.pause()
        assert isinstance(app.screen, Browse) and app.screen.question.id == "second"
        await pilot.press("escape", "down", "enter")
        await pilot.pause()
        reviews = len(store.events())
        assert "second" in text(app, "#ask") and app.screen.practice
        await pilot.press("space", "4")
        await pilot.pause()
        assert len(store.events()) == reviews, "going over the misses schedules nothing"
        way = next(i for i, w in enumerate(end.ways) if w.act == "topic")
        end.post_message(SessionEnd.Chosen(end.ways[way]))
        await pilot.pause(0.2)
        assert "third" in text(app, "#ask") and not app.screen.practice


async def test_the_question_opens_in_the_editor_and_is_read_again(make_app: Any, monkeypatch: Any, tmp_path: Any) -> None:
    """e hands the question's file to $EDITOR; where it changed the bank is read again."""
    opened: list[str] = []
    app = make_app()
    monkeypatch.setattr("studyapp.tui.screens.demo_screen.edit", lambda _, path: opened.append(str(path)) or True)
    monkeypatch.setattr(app.context, "reload_bank", lambda: opened.append("reload"))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("enter", "space", "e", "E")
        await pilot.pause()
    assert opened[1] == "reload" and opened[2].endswith("attention/score_scaling.py")


async def test_an_edited_question_is_asked_in_its_new_words(make_app: Any, bank: Any, monkeypatch: Any) -> None:
    """After e the question, its points and the counts of its topic are those of the file as it is now."""
    app = make_app()
    was = bank.questions["first"]
    now = msgspec.structs.replace(was, ask=msgspec.structs.replace(was.ask, en="Mended?"), points=was.points[:1])
    edited = replace(bank, questions=bank.questions | {"first": now})
    monkeypatch.setattr("studyapp.tui.screens.demo_screen.edit", lambda *_: True)
    monkeypatch.setattr("studyapp.bank.compiled.load_compiled", lambda *_: edited)
    async with app.run_test(size=(80, 24)) as pilot:
        before = app.context.decks
        await pilot.press("enter", "space", "e")
        await pilot.pause()
        assert text(app, "#ask") == "Mended?" and len(app.screen.query_one(Points).rows) == 1
        assert app.screen.asked.question is now and app.context.decks is not before


async def test_a_question_that_was_lost_to_an_edit_is_left_out(make_app: Any, bank: Any) -> None:
    """A sitting over chosen questions goes on without one that the bank no longer holds."""
    context = make_app().context
    context.bank = replace(bank, questions={k: q for k, q in bank.questions.items() if k != "second"})
    assert context.session(only=["first", "second"]).counts(context.clock()).new == 1


async def test_an_edited_demo_is_read_again(make_app: Any, demos: Any, monkeypatch: Any) -> None:
    """After E the claims beside the card are those of the file as it is now, and what was recorded of it is old."""
    file = demos / "attention/score_scaling.py"

    def edit(_: Any, path: Any) -> bool:
        path.write_text(path.read_text("utf-8").replace("Var(q·k) is d", "Var(q·k) stays d"), "utf-8")
        return True

    monkeypatch.setattr("studyapp.tui.screens.demo_screen.edit", edit)
    app = make_app()
    async with app.run_test(size=(140, 45)) as pilot:
        await pilot.press("enter", "space", "p", "escape", "E")
        await pilot.pause(0.2)
        assert "stays" in file.read_text("utf-8")
        assert "Var(q·k) stays d" in app.screen.panel.text.plain()
        assert not app.screen.panel.form.display


async def test_the_evidence_of_a_card_that_was_left_is_that_of_its_point(make_app: Any) -> None:
    """Coming back to a card left at its second point, point and evidence are both the second."""
    app = make_app()
    async with app.run_test(size=(140, 45)) as pilot:
        await pilot.press("enter", "space", "down", "escape")
        await pilot.pause()
        await pilot.press("enter")
        await pilot.pause()
        assert app.screen.query_one(Points).cursor == 1 and app.screen.panel.index == 1


async def test_the_same_card_again_starts_afresh(make_app: Any, clock: Any) -> None:
    """A card that comes straight back has its first point, the evidence of that, and no open form."""
    app = make_app()
    async with app.run_test(size=(140, 45)) as pilot:
        await pilot.press("enter", "space", "down", "p", "escape", "1")
        await pilot.pause()
        while app.screen.question.id != "first":
            clock.forward(minutes=10)
            await pilot.press("space", "4")
            await pilot.pause()
        await pilot.press("space")
        await pilot.pause()
        panel = app.screen.panel
        assert (app.screen.query_one(Points).cursor, panel.index, panel.form.display) == (0, 0, False)


async def test_the_open_form_speaks_the_language_of_now(make_app: Any) -> None:
    """ctrl+l turns what the fields may be into the other language; what was typed stays, and so does the keyboard."""
    app = make_app()
    async with app.run_test(size=(140, 45)) as pilot:
        await pilot.press("enter", "space", "p")
        await pilot.pause()
        form = app.screen.panel.form
        said = [str(s.content) for s in form.query(Static)]
        await pilot.press("5", "ctrl+l")
        await pilot.pause(0.2)
        assert form.fields[0].input.value == "5" and app.focused is form.fields[0].input
        assert [str(s.content) for s in form.query(Static)] != said


@pytest.mark.parametrize("keys", [["space", "space", "4"], ["space", "x", "down", "x", "3"]])
async def test_no_key_is_lost_while_an_answer_is_laid_out(make_app: Any, store: Any, keys: list[str]) -> None:
    """Keys typed faster than anything is drawn do what they would have done one by one."""
    app = make_app()
    async with app.run_test(size=(140, 45)) as pilot:
        await pilot.press("enter")
        for key in keys:
            app.simulate_key(key)
        await pilot.pause(0.5)
        assert "second" in text(app, "#ask")
    review = next(e for e in store.events() if e.kind == "review")
    assert (review.rating, review.data["ticked"]) == (int(keys[-1]), [0, 1] if "x" in keys else [])


async def test_the_next_cards_answer_is_its_own(make_app: Any, bank: Any) -> None:
    """However fast one goes on, what stands under a question is its own brief and answer."""
    app = make_app()
    async with app.run_test(size=(140, 45)) as pilot:
        await pilot.press("enter")
        for key in ("space", "space", "4", "space", "space"):
            app.simulate_key(key)
        await pilot.pause(0.5)
        question = app.screen.question
        assert question.id == "second"
        assert Markdown(question.brief["en"]) in app.screen.query_one("#brief", Prose).parts
        assert Markdown(question.answer["en"]) in app.screen.query_one("#rest", Prose).parts


@pytest.mark.parametrize("size", [(80, 24), (140, 45)])
async def test_code_in_a_point_is_drawn_and_its_signs_are_not(make_app: Any, bank: Any, size: tuple[int, int]) -> None:
    """Backticks and stars of inline Markdown are no part of what is read; brackets are."""
    first = bank.questions["first"]
    point = msgspec.structs.replace(first.points[0], en="`F.cross_entropy` is *not* [this]")
    bank.questions["first"] = msgspec.structs.replace(first, points=(point, *first.points[1:]))
    async with make_app().run_test(size=size) as pilot:
        await pilot.press("enter", "space")
        shown = str(pilot.app.screen.query_one(Points).draw(60))
        assert "F.cross_entropy is not [this]" in shown
        assert "F.cross_entropy is not [this]" in str(pilot.app.screen.query_one(PointLine).draw(60))


@pytest.mark.parametrize(("width", "said"), [(80, False), (140, True)])
async def test_the_suggested_rating_is_named_where_there_is_room_from_the_first_drawing_on(
    make_app: Any, width: int, said: bool
) -> None:
    """At 80 columns a sign has to do, and the words do not come and go with the phase."""
    async with make_app().run_test(size=(width, 24)) as pilot:
        await pilot.press("enter")
        for _ in range(2):
            await pilot.press("space")
            buttons = [str(button.content) for button in pilot.app.screen.query("RatingButton")]
            assert sum("◂" in text for text in buttons) == 1
            assert sum("suggested" in text for text in buttons) == said
