"""Stats: what is counted, said in words, with dates."""

import asyncio
import threading
from datetime import UTC, date, datetime
from itertools import pairwise
from typing import Any

import pytest
from textual.widgets import Static

from studyapp.reviews import opening
from studyapp.tui.screens.home import Home
from studyapp.tui.screens.stats import Stats, months


def text(app: Any, selector: str) -> str:
    """What a Static on the screen on top says."""
    return str(app.screen.query_one(selector, Static).content).replace("\u00a0", " ")


def test_months_stand_above_their_weeks() -> None:
    """Each month's number begins at the week that holds its first day, two cells a week."""
    line = months(date(2026, 11, 24), 70)  # from 16 September; 1 October is in week 2, 1 November in week 6
    assert line == " " * 4 + "10" + " " * 6 + "11"


async def test_stats_count_what_was_answered(make_app: Any, clock: Any) -> None:
    """After answers on two days, Stats tells the streak and the share recalled."""
    app = make_app()
    async with app.run_test(size=(140, 45)) as pilot:
        await pilot.press("enter", "space", "4", "escape")
        clock.forward(days=20)
        await pilot.press("enter", "space", "3", "escape", "s")
        await pilot.pause()
        assert "100%" in text(app, "#numbers")


async def test_home_and_stats_give_one_figure_for_one_thing(make_app: Any, clock: Any) -> None:
    """What was recalled is of cards in review on both; answers while learning are counted apart, in words."""
    app = make_app()
    async with app.run_test(size=(140, 60)) as pilot:
        await pilot.press("a", "space", "4", "space", "4", "space", "4", "escape")
        clock.forward(days=30)
        await pilot.press("a", "space", "3", "space", "1", "escape")
        clock.forward(days=1)
        await app.screen.show()
        assert "50 % recalled of 2 in review" in text(app, "#days")
        await pilot.press("s")
        await pilot.pause()
        numbers = text(app, "#numbers")
        assert "recalled, of cards in review" in numbers and "1 of 2 reviews" in numbers
        assert "5 answers in all" in numbers


async def test_the_forecast_has_dates_a_sum_and_its_fullest_day(make_app: Any, clock: Any) -> None:
    """The row of blocks is dated at both ends; the sum and the fullest day are said as such."""
    app = make_app()
    async with app.run_test(size=(140, 60)) as pilot:
        await pilot.press("a", "space", "4", "space", "4", "escape", "s")
        await pilot.pause()
        heading, line = next(
            (above, row) for above, row in pairwise(text(app, "#numbers").splitlines()) if row.startswith("11-23")
        )
        assert line.endswith("12-22") and "2 cards, most on" in heading


@pytest.mark.parametrize(("hour", "day"), [(23, "We"), (2, "We"), (5, "Th")])
async def test_the_calendar_goes_by_study_days(make_app: Any, clock: Any, hour: int, day: str) -> None:
    """Between midnight and the rollover an answer still belongs to the weekday that began before it."""
    clock.forward(days=2 if hour == 23 else 3, hours=hour - 12)  # Wednesday 25 November, or the night after it
    app = make_app()
    async with app.run_test(size=(140, 60)) as pilot:
        await pilot.press("enter", "space", "4", "escape", "s")
        await pilot.pause()
        rows = [row for row in text(app, "#numbers").splitlines() if row[:2] in ["Mo", "Tu", "We", "Th", "Fr", "Sa", "Su"]]
        assert [row[:2] for row in rows if "█" in row] == [day]


async def test_the_points_left_out_most_are_named(make_app: Any, store: Any, clock: Any) -> None:
    """A point unticked at most of the last reviews stands in Stats with its words and its question."""
    for n in range(3):
        store.append("review", "first#recall", clock.now, rating=3, data={"ticked": [0, 2]})
        clock.forward(days=1 + n)
    app = make_app()
    async with app.run_test(size=(100, 60)) as pilot:
        await pilot.press("s")
        await pilot.pause()
        rows = text(app, "#numbers").splitlines()
        at = next(i for i, row in enumerate(rows) if "a toy shows it" in row)
        assert rows[at].startswith("3 of 3") and "Why first" in rows[at + 1]
        assert not any("a paper says it" in row for row in rows)


async def test_stats_are_drawn_again_when_the_terminal_narrows(make_app: Any, clock: Any) -> None:
    """The calendar that fitted a wide terminal fits a narrow one after it is resized; nothing is counted again for it."""
    app = make_app()
    async with app.run_test(size=(140, 60)) as pilot:
        await pilot.press("enter", "space", "4", "escape", "s")
        await pilot.pause()
        assert isinstance(app.screen, Stats)
        assert max(map(len, text(app, "#numbers").splitlines())) > 100
        app.context.overview = app.context.cards = None  # to count now would raise
        await pilot.resize_terminal(70, 30)
        await pilot.pause(0.2)
        assert max(map(len, text(app, "#numbers").splitlines())) <= 66


async def test_leaving_does_not_wait_for_maintenance(make_app: Any, store: Any, monkeypatch: Any) -> None:
    """Where the app is left while the file is checked, the check ends with it, says nothing, and no part of a backup is left."""
    store.append("review", "first#recall", datetime(2026, 11, 20, tzinfo=UTC), rating=3)
    began, ended = threading.Event(), threading.Event()

    def check(connection: Any, path: Any) -> None:
        began.set()
        connection.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n")

    monkeypatch.setattr(opening, "ALWAYS_CHECKED", 0)
    monkeypatch.setattr(opening, "check", check)
    own = store.maintenance
    monkeypatch.setattr(store, "maintenance", lambda now: (own(now), ended.set())[0])
    app = make_app()
    app.context.in_background = True
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        await asyncio.to_thread(began.wait, 10)
    assert began.is_set() and await asyncio.to_thread(ended.wait, 10)
    assert store.notices == [] and not [*store.path.parent.glob("backups/*"), *store.path.parent.glob("backups/.*")]


async def test_what_maintenance_finds_stands_on_home(make_app: Any, store: Any, monkeypatch: Any) -> None:
    """The day's backup is made beside the first screen; where it fails, Home says so once it is known."""
    monkeypatch.setattr(store, "maintenance", lambda now: ["No backup today: [the disk] is full"])
    app = make_app()
    app.context.in_background = True
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        await app.workers.wait_for_complete()
        await pilot.pause(0.1)
        assert isinstance(app.screen, Home) and "[the disk] is full" in text(app, "#hint")


@pytest.mark.parametrize("size", [(80, 24), (140, 45)])
@pytest.mark.parametrize("language", ["en", "zh"])
async def test_topics_hours_and_suggestions_are_told_with_their_numbers(
    make_app: Any, store: Any, clock: Any, language: str, size: Any
) -> None:
    """The least recalled topic first, the bars of the hours, and what became of each suggested rating."""
    for n in range(25):
        for card, rating in (("first#recall", {0: 4, 5: 1, 15: 1}.get(n, 3)), ("third#recall", 4)):
            store.append("review", card, clock(), rating=rating, data={"suggested": 3, "ticked": [0]})
            clock.forward(hours=1)
        clock.forward(days=40, hours=-2)
    app = make_app(language=language)
    async with app.run_test(size=size) as pilot:
        await pilot.press("s")
        await pilot.pause()
        numbers, words = text(app, "#numbers"), app.context.t
        part = numbers[numbers.index(words("stats.by_topic")) :]
        names = [app.context.title(topic, short=True) for topic in ("attention", "position")]
        assert part.index(names[0]) < part.index(names[1]), "attention, which was forgotten twice, first"
        assert words("stats.best_hour", hour="13:00", low="12:00", best="100%", worst="91%") in numbers
        assert words("stats.answers_most", n=25) in numbers
        row = words("stats.suggested_row", n=50, taken=22, lower=2, higher=26)
        assert row in " ".join(numbers.split()) and "96%" in numbers
        assert all(len(line) <= size[0] for line in numbers.split("\n"))
