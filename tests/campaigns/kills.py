"""Kill a process that writes reviews, at every moment, and look what is lost: `python -m tests.campaigns.kills --times 1000`.

Each child answers, undoes, suspends, backs up and opens anew as fast as it can, and says on a pipe what was committed. After
kill -9 everything it had said must be in the log, nothing twice, SQLite's own check must find nothing, and the cards must be
what a replay of the log makes of them.
"""

import argparse
import contextlib
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from studyapp.reviews.log import Rating
from studyapp.reviews.store import Store
from studyapp.settings import Settings

SETTINGS = Settings(timezone="UTC")
CARDS = tuple(f"question-{n}#recall" for n in range(12))
A_LEARNER = 25
BEGIN = datetime(2026, 11, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Trial:
    """One kill: what had been acknowledged, and what was wrong afterwards."""

    acknowledged: int
    problems: tuple[str, ...]


def child(path: Path, number: int, said: int) -> None:
    """Write until killed; the uid of each committed event goes to the descriptor `said`."""
    dice = random.Random(number)
    now = BEGIN + timedelta(days=60 * number)
    while True:
        with Store.open(path, SETTINGS, now) as store:
            for _ in range(dice.randint(1, 30)):
                now += timedelta(minutes=dice.randint(0, 40))
                act = dice.choice(("review",) * 8 + ("undo", "redo", "suspend", "unsuspend", "bury", "reset", "backup"))
                card = dice.choice(CARDS)
                if act == "review":
                    event = store.append("review", card, now, rating=dice.choice(list(Rating)), data={"ticked": [0]})
                elif act == "backup":
                    store.backup()
                    continue
                elif act in ("undo", "redo"):
                    store.undo(now) if act == "undo" else store.redo(now)
                    continue
                else:
                    event = store.append(act, card, now)
                os.write(said, f"{event.uid}\n".encode())


def trial(folder: Path, number: int, after: float) -> Trial:
    """Let a child write for `after` seconds, kill it, and look at what is there."""
    path = folder / "reviews.db"
    heard, said = os.pipe()
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            os.close(heard)
            child(path, number, said)
        os._exit(1)
    os.close(said)
    time.sleep(after)
    problems = []
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    if not os.WIFSIGNALED(status):
        problems.append("the child ended by itself")
    acknowledged = b""
    while data := os.read(heard, 65536):
        acknowledged += data
    os.close(heard)
    uids = acknowledged.decode().split()
    with Store.open(path, SETTINGS, BEGIN + timedelta(days=60 * number)) as store:
        logged = [event.uid for event in store.events()]
        known = set(logged)
        problems += [f"lost {uid}" for uid in uids if uid not in known]
        if len(logged) != len(known):
            problems.append("an event stands twice")
        problems += [f"{one.card} is not what the log makes of it" for one in store.differences()]
        if (found := store.db.execute("PRAGMA integrity_check").fetchone()[0]) != "ok":
            problems.append(f"integrity: {found}")
    return Trial(len(uids), tuple(problems))


def campaign(times: int, seed: int = 0, told: Callable[[Trial], None] = lambda _: None) -> list[Trial]:
    """So many kills, each after 20 to 500 ms, `A_LEARNER` of them of one database: all of a long log is read after each."""
    dice, trials = random.Random(seed), []
    for first in range(0, times, A_LEARNER):
        with tempfile.TemporaryDirectory() as folder:
            for number in range(first, min(first + A_LEARNER, times)):
                one = trial(Path(folder), number, dice.uniform(0.02, 0.5))
                trials.append(one)
                told(one)
    return trials


def main() -> None:
    """Run a campaign; leaves with 1 where anything was lost, doubled or damaged."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    def told(one: Trial) -> None:
        for problem in one.problems:
            print(problem, flush=True)

    trials = campaign(min(options.times, 10_000), options.seed, told)
    bad = sum(bool(t.problems) for t in trials)
    print(f"{len(trials)} kills, {sum(t.acknowledged for t in trials)} acknowledged events, {bad} with a problem")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
