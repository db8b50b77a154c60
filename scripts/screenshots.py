"""Pictures of the app for the README, from the real bank and a learner who is made up: python scripts/screenshots.py"""

import asyncio
import os
import random
import tempfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from studyapp import interviews
from studyapp.bank.load import load_bank
from studyapp.context import AppContext
from studyapp.lab.attempts import AttemptStore
from studyapp.lab.catalog import Catalog
from studyapp.paths import demos_dir, questions_dir
from studyapp.quiz.quiz import Quiz
from studyapp.reviews.log import Rating
from studyapp.reviews.store import Store
from studyapp.reviews.study import StudySession
from studyapp.settings import Settings
from studyapp.tui.app import StudyApp
from studyapp.tui.screens.interview import InterviewScreen
from studyapp.tui.screens.quiz import QuizScreen
from studyapp.tui.screens.study import Study
from studyapp.tui.screens.write import WriteScreen

DOCS = Path(__file__).parent.parent / "docs"
NOW = datetime(2026, 11, 24, 1, tzinfo=UTC)
SETTINGS = Settings(timezone="UTC")
DAYS = 12
ANSWERS = (Rating.AGAIN, Rating.HARD, *[Rating.GOOD] * 7, Rating.EASY)


def study(store: Store, order: list[str]) -> None:
    """Twelve evenings."""
    dice = random.Random(7)
    for back in range(DAYS, 0, -1):
        evening = NOW - timedelta(days=back)
        store.configure(Settings(timezone="UTC", new_per_day=4))
        sitting = StudySession(store, order, evening)
        for _ in range(dice.choice((14, 20, 25))):
            if card := sitting.next(evening):
                sitting.answer(card, dice.choice(ANSWERS), evening, seconds=dice.uniform(20, 70))
    store.configure(SETTINGS)


async def interview(asked: StudyApp) -> None:
    """The score sheet of a mock interview: of each question the points said."""
    session = interviews.begin(asked.context, 30, ["attention", "inference", "moe"], seed=5)
    moments = iter(NOW + timedelta(seconds=95 * n) for n in range(99))
    for said in (5, 4, 1, 4, 3):
        now = next(moments)
        if card := session.next(now):
            rating = Rating.GOOD if said > 2 else Rating.AGAIN
            session.answer(card, rating, now, seconds=70.0 + 9 * said, data={"ticked": list(range(said))})
    session.turn, session.minutes = None, 0.0
    async with asked.run_test(size=(110, 34)) as pilot:
        await asked.push_screen(InterviewScreen(asked.context, session))
        await pilot.pause(0.5)
        asked.save_screenshot("interview.svg", str(DOCS))


async def pictures() -> None:
    """Home, Study, a quiz and Write."""
    bank, catalog = load_bank(questions_dir()), Catalog.load(demos_dir())
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(Path(folder) / "reviews.db", SETTINGS, NOW)
        study(store, [q.card_id for q in bank.in_order()])

        untouched = Store.open(Path(folder) / "untouched.db", SETTINGS, NOW)

        def app(store: Store) -> StudyApp:
            return StudyApp(
                AppContext(home=Path(folder), bank=bank, catalog=catalog, store=store, settings=SETTINGS, clock=lambda: NOW)
            )

        home = app(store)
        async with home.run_test(size=(100, 26)) as pilot:
            await pilot.pause()
            home.save_screenshot("home.svg", str(DOCS))
        planned = StudyApp(
            AppContext(
                home=Path(folder),
                bank=bank,
                catalog=catalog,
                store=store,
                clock=lambda: NOW,
                settings=Settings(timezone="UTC", interview_date=date(2026, 12, 20)),
            )
        )
        async with planned.run_test(size=(110, 34)) as pilot:
            await pilot.press("d")
            await pilot.pause()
            await pilot.app.workers.wait_for_complete()
            await pilot.pause(0.5)
            planned.save_screenshot("plan.svg", str(DOCS))
        await interview(app(untouched))
        lesson = app(untouched)
        async with lesson.run_test(size=(132, 44)) as pilot:
            lesson.screen.post_message(type(lesson.screen).Go("browse"))  # type: ignore[attr-defined]
            await pilot.pause()
            await pilot.press("slash", *"attention-scaling", "enter", "enter")
            await pilot.pause(0.5)
            await pilot.press("space", "x", "down", "x", "space")
            await pilot.app.workers.wait_for_complete()
            await pilot.pause(0.5)
            lesson.save_screenshot("study.svg", str(DOCS))
        asking = app(untouched)
        async with asking.run_test(size=(132, 36)) as pilot:
            quiz = Quiz.draw(asking.context.scheduled("position"), ["choice"], 10, seed=18)
            await asking.push_screen(QuizScreen(asking.context, "position", quiz))
            await pilot.press("2")
            await pilot.app.workers.wait_for_complete()
            await pilot.pause(0.5)
            asking.save_screenshot("quiz.svg", str(DOCS))
        known = Store.open(Path(folder) / "known.db", SETTINGS, NOW)
        known.append("review", "rope#recall", NOW - timedelta(days=1), rating=Rating.EASY)
        choosing = StudyApp(
            AppContext(
                home=Path(folder),
                bank=bank,
                catalog=catalog,
                store=known,
                clock=lambda: NOW,
                settings=Settings(timezone="UTC", kinds={"all": ("choice",)}),
            )
        )
        async with choosing.run_test(size=(132, 36)) as pilot:
            card = Study(choosing.context, only=["rope"])
            await choosing.push_screen(card)
            await pilot.pause(0.5)
            await pilot.press(str((card.asked.answer or 0) + 1) if card.asked else "1")
            await pilot.app.workers.wait_for_complete()
            await pilot.pause(0.5)
            choosing.save_screenshot("study-choice.svg", str(DOCS))
        known.close()
        os.chdir(folder)  # so that the picture names no folder of this machine
        writing = app(untouched)
        writing.context.attempts = AttemptStore(Path("written"))
        async with writing.run_test(size=(132, 40)) as pilot:
            await writing.push_screen(WriteScreen(writing.context, ["attention/causal_mask_no_leak.visible"]))
            await pilot.press("y")
            path = Path("written/attention/causal_mask_no_leak.visible.py")
            body = "    return torch.ones(tokens, tokens, dtype=torch.bool).tril(1)"
            path.write_text(path.read_text("utf-8").replace("    raise NotImplementedError", body), "utf-8")
            await pilot.pause(1)
            await pilot.app.workers.wait_for_complete()
            writing.clear_notifications()
            await pilot.pause(0.5)
            writing.save_screenshot("write.svg", str(DOCS))
        store.close()
        untouched.close()


if __name__ == "__main__":
    asyncio.run(pictures())
