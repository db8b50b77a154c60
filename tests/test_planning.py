"""Plans and interviews over real files: another window, another zone, a killed process."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from studyapp import interviews, planning
from studyapp.context import AppContext
from studyapp.errors import CallError
from studyapp.i18n import Translations
from studyapp.render.plan import home_line
from studyapp.reviews.course import StoppedError
from studyapp.reviews.log import Rating
from studyapp.settings import Settings

NOW = datetime(2026, 11, 24, 20, 30, tzinfo=UTC)
ROOT = Path(__file__).parents[1]


def window(home: Path, timezone: str = "UTC", **changes: object) -> AppContext:
    """The app over a data folder, as a process of its own would have it."""
    settings = Settings(timezone=timezone, interview_date=date(2026, 12, 1), interview_topics={"moe": 1.0}, **changes)  # type: ignore[arg-type]
    return AppContext(home=home, settings=settings, clock=lambda: NOW, language="en")


async def test_what_another_window_does_is_planned_for(tmp_path: Path) -> None:
    """A plan that was made is made again once a card was answered elsewhere, and asks that card no more today."""
    here, there = window(tmp_path), window(tmp_path)
    goal = planning.interview(here)
    first = await planning.made(here, goal)
    assert await planning.made(here, goal) is first, "nothing changed: it is not made again"
    card = first.new[0]
    there.store.append("review", card, NOW, rating=Rating.EASY, seconds=300.0)
    again = await planning.made(here, goal)
    assert card not in (*again.new, *again.due) and len(again.new) < len(first.new), "the minutes are counted too"


async def test_a_sitting_of_the_plan_sees_another_windows_answers(tmp_path: Path) -> None:
    """What was answered there is not asked here."""
    here, there = window(tmp_path), window(tmp_path)
    plan = await planning.made(here, planning.interview(here))
    session = planning.session(here, plan)
    there.store.append("review", plan.new[0], NOW, rating=Rating.EASY)
    shown = session.next(NOW)
    assert shown is not None and shown.card == plan.new[1]


@pytest.mark.parametrize(("zone", "left"), [("UTC", 7), ("Asia/Shanghai", 6), ("America/Los_Angeles", 7)])
def test_days_are_those_of_the_learners_clock(tmp_path: Path, zone: str, left: int) -> None:
    """At half past eight in London it is the next day in Shanghai, past the hour at which a day turns."""
    context = window(tmp_path, zone)
    made = planning.prepared(context, planning.interview(context)).plan()
    assert made.days_left == left and len(made.days) == left


def test_suspended_cards_are_not_planned(tmp_path: Path) -> None:
    """Nor those of other topics; where nothing is left, that is said."""
    context = window(tmp_path)
    goal = planning.interview(context)
    cards = [each.state.card for each in planning.wanted(context, goal)]
    assert {context.question(card).topic for card in cards} == {"moe"}
    for card in cards[1:]:
        context.store.append("suspend", card, NOW)
    assert [each.state.card for each in planning.wanted(context, goal)] == cards[:1]
    context.store.append("suspend", cards[0], NOW)
    with pytest.raises(CallError):
        planning.prepared(context, goal)


KILLED = """
import os, signal, sys
from datetime import datetime, UTC
from pathlib import Path
from studyapp import interviews
from studyapp.context import AppContext
context = AppContext(home=Path(sys.argv[1]))
session = interviews.begin(context, 20, ["moe"], seed=3)
for ticked in ([0, 1, 2, 3, 4, 5], []):
    session.answer(session.next(context.clock()), 2, context.clock(), seconds=30, data={"ticked": ticked})
session.next(context.clock())
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_an_interview_that_was_killed_is_whole_up_to_its_last_answer(tmp_path: Path) -> None:
    """Both answers stand in the log, the sheet can be printed in another zone, and no card was changed by it."""
    environment = {**os.environ, "STUDYAPP_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    ended = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], env=environment, cwd=ROOT, timeout=120, check=False)
    assert ended.returncode == -signal.SIGKILL
    context = AppContext(home=tmp_path, settings=Settings(timezone="Asia/Shanghai"), language="en")
    one = interviews.found(context, "last")
    assert len(one.answers) == 2 and all(card.reps == 0 for card in context.cards().values())
    began = one.began.astimezone(UTC) + timedelta(hours=8)
    assert f"{began:%Y-%m-%d %H:%M}" in interviews.markdown(context, one) and not list(context.store.differences())


async def test_the_thread_of_a_plan_ends_with_whoever_waits_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for another, or left with the app, a plan is given up; what was made before stands."""
    context = window(tmp_path)
    begun, ended = threading.Event(), threading.Event()

    def plan(self: planning.Prepared, stopped: Callable[[], bool]) -> None:
        begun.set()
        while not stopped():
            time.sleep(0.01)
        ended.set()
        raise StoppedError

    monkeypatch.setattr(planning.Prepared, "plan", plan)
    waiting = asyncio.create_task(planning.made(context, planning.interview(context)))
    assert await asyncio.to_thread(begun.wait, 10)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await asyncio.to_thread(ended.wait, 10) and context.planned is None


def test_a_plan_that_is_stopped_says_so(tmp_path: Path) -> None:
    """It is asked on each simulated day, and makes no half of a plan."""
    context, asked = window(tmp_path), []
    ready = planning.prepared(context, planning.interview(context))
    with pytest.raises(StoppedError):
        ready.plan(lambda: len(asked) > 10 or bool(asked.append(1)))
    assert len(asked) == 11


def test_the_line_at_home_says_of_what_it_speaks(tmp_path: Path) -> None:
    """Of the core where there is one, else of all questions; in both languages."""
    context = window(tmp_path)
    made = planning.prepared(context, planning.interview(context)).plan()
    none = replace(made, core=replace(made.core, cards=0))
    for language, core, every in (("en", "% of core recalled", "% of all questions recalled"), ("zh", "% 的核心题", "% 的题目")):
        words = Translations.load(language)
        assert core in home_line(words, 45, made) and every in home_line(words, 45, none)
