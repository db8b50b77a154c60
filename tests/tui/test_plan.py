"""The page of the interview, and its line at Home."""

import asyncio
from datetime import date, timedelta
from typing import Any

import pytest
from rich.cells import cell_len
from textual.widgets import Input, OptionList, Static


def text(app: Any, selector: str) -> str:
    return str(app.screen.query_one(selector, Static).content)


async def settled(app: Any, pilot: Any) -> None:
    """Until the plan is made and drawn."""
    await pilot.pause()
    await app.workers.wait_for_complete()
    await pilot.pause()


async def test_a_date_is_asked_for_kept_and_planned(make_app: Any) -> None:
    """Without a date the page asks for one; what is typed is kept, planned for and told at Home, until it is taken away."""
    app, kept = make_app(), []
    app.context.save = kept.append
    async with app.run_test(size=(80, 24)) as pilot:
        assert not app.screen.query_one("#interview").display
        await pilot.press("d")
        await settled(app, pilot)
        assert text(app, "#numbers") == app.context.t("plan.none") and isinstance(app.focused, Input)
        await pilot.press(*"2026-12-03", "enter")
        await settled(app, pilot)
        assert kept == [{"interview_date": date(2026, 12, 3)}] and app.screen.phase == "plan"
        assert "in 10 days" in text(app, "#numbers") and "3 new" in text(app, "#numbers")
        await pilot.press("escape")
        await settled(app, pilot)
        line = text(app, "#interview")
        assert "interview in 10 days" in line and "today 3 new, 0 to review" in line and "% of core" in line
        await pilot.press("d")
        await settled(app, pilot)
        await pilot.press("d", *["backspace"] * 10, *"２０２６-１２-０４", "enter")
        await settled(app, pilot)
        assert kept[-1] == {"interview_date": date(2026, 12, 4)}, "as an input method types it"
        await pilot.press("d", *["backspace"] * 10, "enter")
        await settled(app, pilot)
        assert kept[-1] == {"interview_date": None} and app.screen.phase == ""


@pytest.mark.parametrize("typed", ["tomorrow", "２０２６-13-01", "2026-13-01", "2026-11-23", "2020-01-01", "2099-01-01"])
async def test_what_is_no_day_ahead_is_refused_and_can_be_mended(make_app: Any, typed: str) -> None:
    """The field stays, with what was typed in it, and nothing is kept."""
    app, kept = make_app(), []
    app.context.save = kept.append
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("d")
        await settled(app, pilot)
        await pilot.press(*typed, "enter")
        await settled(app, pilot)
        field = app.screen.query_one("#date", Input)
        assert field.display and field.value == typed and not kept
        assert len(app._notifications) == 1
        await pilot.press("escape", "escape")
        await settled(app, pilot)
        assert app.screen.scope == "home"


@pytest.mark.parametrize("size", [(80, 24), (140, 45)])
@pytest.mark.parametrize("language", ["en", "zh"])
async def test_minutes_and_weights_are_turned_and_kept(make_app: Any, size: Any, language: str) -> None:
    """+ and − change the minutes within what is allowed; t makes a topic count more, then leaves it out of plan and picture."""
    app, kept = make_app(language=language, interview_date=date(2026, 12, 3), interview_minutes=475), []
    app.context.save = kept.append
    async with app.run_test(size=size) as pilot:
        await pilot.press("d")
        await settled(app, pilot)
        for _ in range(2):
            await pilot.press("plus")
            await settled(app, pilot)
        await pilot.press("minus")
        await settled(app, pilot)
        assert [each["interview_minutes"] for each in kept] == [480, 480, 475]
        topics = app.screen.query_one("#topics", OptionList)
        assert topics.option_count == 4
        await pilot.press("t")
        assert len(kept) == 3, "the rows of all topics have no weight"
        await pilot.press("end")
        for weight in (2, 3, 0, 1):
            await pilot.press("t")
            await settled(app, pilot)
            expected = {} if weight == 1 else {"attention": 1.0, "position": float(weight)} if weight else {"attention": 1.0}
            assert kept[-1] == {"interview_topics": expected}
            last = str(topics.get_option_at_index(3).prompt)
            assert last.endswith(f"× {weight}" if weight else app.context.t("plan.left_out"))
        assert app.screen.query_one("#plan-days").region.bottom <= size[1]


async def test_while_it_is_made_anew_rows_and_words_are_those_of_now(make_app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights and language change at once; three quick changes make one plan."""
    app, calls = make_app(interview_date=date(2026, 12, 3)), []
    app.context.save = [].append
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("d")
        await settled(app, pilot)

        async def never(*args: Any) -> None:
            calls.append(args)
            await asyncio.Event().wait()

        monkeypatch.setattr("studyapp.planning.made", never)
        topics = app.screen.query_one("#topics", OptionList)
        topics.highlighted = topics.option_count - 1
        await app.screen.action_weight()
        assert str(topics.get_option_at_index(topics.highlighted).prompt).endswith("× 2")
        await app.screen.action_more(1)
        await pilot.press("ctrl+l")
        assert "主题" in text(app, "#columns") and "模拟" in text(app, "#numbers")
        async with asyncio.timeout(20):
            while not calls:
                await asyncio.sleep(0.05)
        assert len(calls) == 1


async def test_of_a_far_day_all_days_are_drawn(make_app: Any) -> None:
    """The bars hold every day in the room there is, and the sums beside them too; rows leave room for scroll bars."""
    app = make_app(interview_date=date(2027, 9, 1))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("d")
        await settled(app, pilot)
        made = app.screen.made
        line = text(app, "#plan-days").split("\n")[1]
        whole, room = (sum(day.reviews for day in days) for days in (made.days, made.days[:46]))
        assert line.endswith(f"  {whole:.0f}") and whole > 2 * room
        assert 30 < cell_len(line) < 76
        topics = app.screen.query_one("#topics", OptionList)
        assert cell_len(str(topics.get_option_at_index(1).prompt)) + topics.scrollbar_size_vertical + 2 <= topics.size.width


async def test_the_plan_of_today_is_studied_and_counts(make_app: Any, store: Any, clock: Any) -> None:
    """Enter asks what the plan asks, a card not yet due too; back on the page less is left."""
    store.append("review", "second#recall", clock() - timedelta(days=1), rating=4)
    app = make_app(interview_date=date(2026, 11, 25))
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("d")
        await settled(app, pilot)
        plan = app.screen.made
        assert plan.due == ("second#recall",) and set(plan.new) == {"first#recall", "third#recall"}
        await pilot.press("enter")
        await pilot.pause()
        assert app.screen.scope == "study" and app.screen.card.card == "second#recall"
        await pilot.press("space", "4")
        await pilot.pause()
        assert app.screen.card.card in plan.new
        await pilot.press("escape")
        await settled(app, pilot)
        assert app.screen.scope == "plan" and not app.screen.made.due and set(app.screen.made.new) == set(plan.new)


async def test_what_cannot_be_planned_is_said(make_app: Any) -> None:
    """The day itself, a day gone by, and a topic that there is not: on the page and at Home, and the page still opens."""
    for changes, line, page in (
        ({"interview_date": date(2026, 11, 23)}, "is today", "is today"),
        ({"interview_date": date(2026, 11, 1)}, None, "has passed"),
        ({"interview_date": date(2026, 12, 1), "interview_topics": {"atention": 1.0}}, "no topic", "did you mean attention?"),
    ):
        app = make_app(**changes)
        async with app.run_test(size=(80, 24)) as pilot:
            await settled(app, pilot)
            place = app.screen.query_one("#interview", Static)
            assert (line is None and not place.display) or line in str(place.content)
            await pilot.press("d")
            await settled(app, pilot)
            assert page in text(app, "#numbers") and app.screen.phase == ""
