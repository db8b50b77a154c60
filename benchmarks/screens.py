"""What a learner waits for, with at least 350 questions and 200 demos: first frame, screens, a letter, a step, a language.

    python benchmarks/screens.py [TIMES]          (default: 5; medians are told)

The bank is made here, of the shipped content and, where that is smaller, copies of it. Each figure is milliseconds of CPU of the
whole process, threads included, and beside it of the clock. Beside each stands what it may be: so many, or so many times what a
bare Textual app, or a bare Markdown widget updated with the same text, takes in the same run, measured in turn. Milliseconds hold
on a machine at rest; the ratios hold on any, the nearer the two columns are.
"""

import asyncio
import gc
import os
import pty
import re
import select
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from textual.app import App, ComposeResult
from textual.events import Key
from textual.widgets import Input, Markdown

from benchmarks.content import large_content
from studyapp.bank.compiled import load_compiled
from studyapp.bank.model import Bank, Point, Question, Text, Topic
from studyapp.context import AppContext
from studyapp.lab import protocol as e
from studyapp.lab.catalog import Catalog
from studyapp.lab.client import LabClient
from studyapp.lab.recordings import Recordings
from studyapp.paths import demos_dir
from studyapp.render.markdown import parser
from studyapp.reviews.store import Store
from studyapp.settings import Settings
from studyapp.tui.app import StudyApp
from studyapp.tui.dashboard import home_stats
from studyapp.tui.screens import browse
from studyapp.tui.screens.browse import SETTLED_SECONDS, Browse
from studyapp.tui.screens.lab import LabScreen
from studyapp.tui.screens.study import Study

SIZE = (120, 40)
CARDS = 100_000
TYPED = "softmaxattentionpositionkvcache"
DEMO = "attention/score_scaling"
BARE = """
from textual.app import App
from textual.widgets import Static
class Bare(App):
    def compose(self):
        yield Static("bare and ready")
Bare().run()
"""
OURS = """
import sys
from pathlib import Path
from studyapp.bank.compiled import load_compiled
from studyapp.context import AppContext
from studyapp.tui.app import StudyApp
root = Path(sys.argv[1])
StudyApp(AppContext(home=root / "home", bank=load_compiled(root / "questions", (), root / "cache"))).run()
"""
CODES = re.compile(rb"\x1b\[[0-9;?<>=]*[a-zA-Z]|\x1b[()=>][0-9A-Z]?")


class Spent(NamedTuple):
    """Seconds of CPU and of the clock."""

    cpu: float
    clock: float

    @classmethod
    def now(cls) -> "Spent":
        """Of this process so far."""
        return cls(time.process_time(), time.perf_counter())

    def since(self, before: "Spent") -> "Spent":
        """What was spent after `before`."""
        return Spent(self.cpu - before.cpu, self.clock - before.clock)


def together(spent: Iterable[Spent]) -> Spent:
    """The sum."""
    return Spent(*map(sum, zip(*spent, strict=True)))


Times = dict[str, list[Spent]]


class Terminal:
    """A program in a pseudo-terminal of 120 by 40; `wait` gives what it spent from the start until it shows some words."""

    def __init__(self, *command: str, home: Path) -> None:
        self.start = time.perf_counter()
        self.pid, self.file = pty.fork()
        if not self.pid:
            os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an app that is installed is not compiled at every start
            os.environ |= {"STUDYAPP_HOME": str(home), "TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40"}
            os.execvp(command[0], command)
        self.shown = b""

    def wait(self, words: str, limit: float = 60) -> Spent:
        """What was spent since the start; where there is no /proc, by the clock alone."""
        while words.encode() not in CODES.sub(b"", self.shown):
            if not select.select([self.file], [], [], limit)[0]:
                raise TimeoutError(f"never saw {words!r}")
            self.shown += os.read(self.file, 65536)
        clock, stat = time.perf_counter() - self.start, Path(f"/proc/{self.pid}/stat")
        if not stat.exists():
            return Spent(clock, clock)
        user, system = stat.read_text().rpartition(")")[2].split()[11:13]
        return Spent((int(user) + int(system)) / os.sysconf("SC_CLK_TCK"), clock)


@contextmanager
def terminal(*command: str, home: Path) -> Iterator[Terminal]:
    """A program that is gone afterwards."""
    shown = Terminal(*command, home=home)
    try:
        yield shown
    finally:
        os.kill(shown.pid, 9)
        os.waitpid(shown.pid, 0)
        os.close(shown.file)


def make_context(root: Path, **opened: Any) -> AppContext:
    """The context over the large bank, kept in its cache; reviews beside it."""
    bank, lab = root / "questions", root / "demos"
    parts = {
        "bank": load_compiled(bank, (), root / "cache"),
        "catalog": Catalog.load(lab),
        "recordings": Recordings(lab / "recorded"),
        "settings": Settings(timezone="UTC", language="en"),
    }
    return AppContext(home=root / "home", **parts | opened)


def first_frames(root: Path, seen: Times) -> None:
    """A bare app and ours, each from the command to its first frame."""
    home = root / "home"
    with terminal(sys.executable, "-c", BARE, home=home) as bare:
        note(seen, "bare app: first frame", bare.wait("bare and ready"))
    with terminal(sys.executable, "-c", OURS, str(root), home=home) as app:
        note(seen, "first frame", app.wait("Foundations"))


def note(seen: Times, name: str, spent: Spent) -> None:
    """Keep a figure."""
    seen.setdefault(name, []).append(spent)


class Bare(App[None]):
    """A Markdown widget and a field, nothing else."""

    def compose(self) -> ComposeResult:
        """Both."""
        yield Input()
        yield Markdown(parser_factory=parser)


async def painted(pilot: Any, act: Callable[[], Awaitable[Any]]) -> Spent:
    """What is spent until what `act` began has been painted and the app is idle."""
    await pilot.pause()
    began = Spent.now()
    await act()
    await pilot.pause()
    return Spent.now().since(began)


async def longest_block(pilot: Any, key: str) -> Spent:
    """The longest that the event loop was kept at a stretch by a key, between two looks of a task that sleeps."""
    gaps: list[Spent] = []

    async def look() -> None:
        last = Spent(time.thread_time(), time.perf_counter())
        while True:
            await asyncio.sleep(0)
            now = Spent(time.thread_time(), time.perf_counter())
            gaps.append(now.since(last))
            last = now

    await pilot.pause()
    pilot.app.post_message(Key(key, key))
    task = asyncio.create_task(look())
    await asyncio.sleep(0.1)
    task.cancel()
    return max(gaps, default=Spent(0.0, 0.0))


async def bare_figures(texts: list[str], seen: Times) -> None:
    """What a bare Markdown widget takes for the texts of a step, and a bare field for a letter."""
    app = Bare()
    async with app.run_test(size=SIZE) as pilot:
        markdown = app.query_one(Markdown)
        for _ in range(2):  # the first parses with cold caches
            seconds = [await painted(pilot, lambda text=text: markdown.update(text)) for text in texts]  # type: ignore[misc]
        note(seen, "bare Markdown: the texts of a card", together(seconds))
        app.query_one(Input).focus()
        for letter in TYPED:
            note(seen, "bare field: a letter", await longest_block(pilot, letter))


async def screen_figures(root: Path, seen: Times) -> None:
    """Our screens, in one app."""
    context = make_context(root)
    app = StudyApp(context)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause(0.5)
        await app.workers.wait_for_complete()  # the screens' code, loaded beside the first question
        for name, screen in (("Browse opens", Browse(context)), ("Lab opens", LabScreen(context))):
            opened = asyncio.Event()
            began = Spent.now()
            await app.push_screen(screen)
            screen.call_after_refresh(opened.set)
            await opened.wait()
            note(seen, name, Spent.now().since(began))
            await pilot.pause(SETTLED_SECONDS + 0.2)
            note(seen, f"{name}, with what stands beside the list", Spent(Spent.now().since(began).cpu, 0.0))
            if isinstance(screen, Browse):
                await pilot.press("slash")
                browse.SETTLED_SECONDS = 60  # the answer is drawn once typing rests, and is measured as a step
                for letter in TYPED:
                    note(seen, "Browse: a letter, on the loop", await longest_block(pilot, letter))
                    if len(screen.query_one(Input).value) > 6:
                        screen.query_one(Input).value = ""
                browse.SETTLED_SECONDS = SETTLED_SECONDS
                await pilot.press("escape", "c")
                await pilot.pause(SETTLED_SECONDS + 0.3)

                async def other_language() -> None:
                    await pilot.press("ctrl+l")
                    await app.workers.wait_for_complete()

                for _ in range(2):
                    seconds = await painted(pilot, other_language)
                note(seen, "language switch in Browse", seconds)
            app.pop_screen()
            await pilot.pause()
        question = "attention-scaling-sqrt-dk"
        for _ in range(2):
            await app.push_screen(Study(context, practice=True, only=[question]))
            await pilot.pause(0.3)
            steps = [await painted(pilot, lambda: pilot.press("space")) for _ in range(2)]
            await pilot.pause(0.2)
            app.pop_screen()
            await pilot.pause()
        note(seen, "space, twice: brief, then the whole", together(steps))


def load_figures(root: Path, seen: Times) -> None:
    """The bank from its cache."""
    began = Spent.now()
    bank = load_compiled(root / "questions", (), root / "cache")
    note(seen, "load the bank from its cache", Spent.now().since(began))
    del bank  # to take it apart again is no part of it


def large_store(path: Path) -> AppContext:
    """A hundred thousand cards, all in review, over a bank of as many questions."""
    text = Text("q", "问")
    point = Point(en="p", zh="点", cite=("vaswani2017",))
    names = [f"question-{i}" for i in range(CARDS)]
    questions = {
        name: Question(id=name, topic=f"topic{i % 15}", level="core", ask=text, brief=text, answer=text, points=(point,))
        for i, name in enumerate(names)
    }
    topics = tuple(Topic(f"topic{t}", text, tuple(names[t::15])) for t in range(15))
    settings = Settings(timezone="UTC")
    with Store.open(path, settings) as store:
        context = AppContext(home=path.parent, bank=Bank(topics, questions), settings=settings, store=store)
        store.append("review", "question-0#recall", context.clock(), rating=4)
        run = store.db.conn.execute
        columns = [row[1] for row in run("PRAGMA table_info(cards)") if row[1] != "card"]
        run(
            f"""INSERT INTO cards (card, {", ".join(columns)})
                WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {CARDS - 1})
                SELECT 'question-' || i || '#recall', {", ".join(columns)} FROM n, cards WHERE card = 'question-0#recall'"""
        )
        run(f"UPDATE cards SET due_day = {context.today()} + (rowid % 60) - 5 WHERE due_day IS NOT NULL")
        store.db.conn.commit()
    return context


def home_figures(context: AppContext, path: Path, seen: Times) -> None:
    """The first open of a day, with Home, then Home again; and the same where the bank is another than the last time."""
    context.decks  # noqa: B018  which card is of which topic follows from the bank, and takes as long as the bank is large
    for name in (f"first open of a day with Home and a new bank, {CARDS:,} cards", f"first open of a day with Home, {CARDS:,} cards"):
        for backup in (path.parent / "backups").glob("*.db"):
            backup.unlink()
        began = Spent.now()
        context.__dict__["store"] = Store.open(path, context.settings, background=True)
        home_stats(context)
        note(seen, name, Spent.now().since(began))
        began = Spent.now()
        context.store.maintenance()
        note(seen, f"check, backup and what is noted, beside the first question, {CARDS:,} cards", Spent.now().since(began))
        began = Spent.now()
        home_stats(context)
        note(seen, f"Home, {CARDS:,} cards", Spent.now().since(began))
        context.close()
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM about WHERE name = 'decks'")  # as a bank with another question leaves it


async def first_result(seen: Times) -> None:
    """A demo's first evidence: with the lab not started yet, and with the lab ready."""
    demo = Catalog.load(demos_dir()).demos[DEMO]
    start, lab = time.perf_counter(), LabClient()
    try:
        await lab.start()
        for name in ("demo, cold: to its first evidence", "demo, warm: to its first evidence"):
            took = 0.0
            async for event in lab.run(demo):
                if isinstance(event, e.Shown) and not took:
                    took = time.perf_counter() - start
            note(seen, name, Spent(took, took))
            start = time.perf_counter()
    finally:
        await lab.close()


BOUNDS: tuple[tuple[str, float | None, str, float | None], ...] = (
    ("bare app: first frame", None, "", None),
    ("first frame", None, "bare app: first frame", 2),
    ("load the bank from its cache", 50, "", None),
    ("bare field: a letter", None, "", None),
    ("Browse: a letter, on the loop", 16, "bare field: a letter", None),
    ("Browse opens", 150, "", None),
    ("Browse opens, with what stands beside the list", None, "", None),
    ("Lab opens", 150, "", None),
    ("Lab opens, with what stands beside the list", None, "", None),
    ("bare Markdown: the texts of a card", None, "", None),
    ("space, twice: brief, then the whole", None, "bare Markdown: the texts of a card", 1.5),
    ("language switch in Browse", None, "bare Markdown: the texts of a card", 2),
    (f"Home, {CARDS:,} cards", 100, "", None),
    (f"first open of a day with Home, {CARDS:,} cards", 500, "", None),
    (f"first open of a day with Home and a new bank, {CARDS:,} cards", 500, "", None),
    (f"check, backup and what is noted, beside the first question, {CARDS:,} cards", None, "", None),
    ("demo, cold: to its first evidence", None, "", None),
    ("demo, warm: to its first evidence", None, "", None),
)
"""Figure, its bound in ms, what it is compared with, and how many times that it may be."""


def table(seen: Times, times: int) -> str:
    """Each figure with its bound; letters by their 95th percentile, all others by their median."""

    def figure(name: str, of: Callable[[Spent], float] = lambda spent: spent.cpu) -> float:
        values = [1000 * of(spent) for spent in seen[name]]
        return statistics.quantiles(values, n=20)[-1] if "letter" in name else statistics.median(values)

    rows = [f"| median of {times}; letters: 95th percentile | CPU, ms | clock, ms | may be, of CPU | times |", "|---|---|---|---|---|"]
    for name, most, other, ratio in BOUNDS:
        value, clock = figure(name), figure(name, lambda spent: spent.clock)
        times_other = value / figure(other) if other else None
        bound = f"{most:g} ms" if most else f"{ratio:g} × {other}" if ratio else "–"
        over = (most and value > most) or (ratio and times_other and times_other > ratio)
        told = f"{times_other:.2f}" if times_other else ""
        rows.append(f"| {name} | {value:,.3g} | {f'{clock:,.3g}' if clock else ''} | {bound}{' **over**' if over else ''} | {told} |")
    return "\n".join(rows)


def main() -> None:
    """The table."""
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    seen: Times = {}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        bank, _ = large_content(root)
        time.sleep(0.1)  # until then the files are too new to be kept
        context = make_context(root)
        question = context.bank.questions["attention-scaling-sqrt-dk"]
        texts = [question.brief["en"], question.answer["en"]]
        large = large_store(root / "large.db")
        gc.freeze()  # nobody's letter waits for looking through a hundred thousand questions of this benchmark
        context.store.close()  # made once: a database is new only to a new learner
        print(f"{len(context.bank.questions)} questions, {len(list((root / 'demos').glob('*/*.py')))} demos, {bank.parent}")
        first_frames(root, {})
        for _ in range(times):
            first_frames(root, seen)
            load_figures(root, seen)
            asyncio.run(bare_figures(texts, seen))
            asyncio.run(screen_figures(root, seen))
            home_figures(large, root / "large.db", seen)
            asyncio.run(first_result(seen))
    print(f"\n{table(seen, times)}")


if __name__ == "__main__":
    main()
