"""Close the window at every moment, in every way, and look for what is left: `python -m tests.campaigns.windows --times 200`.

The app runs as the leader of its own session on a pseudo-terminal, as in a terminal window; what belongs to it is known
by its environment, also once it has left the session.
"""

import argparse
import contextlib
import os
import pty
import random
import select
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

FIRST_FRAME_SECONDS = 90.0
LEFT_SECONDS = 30.0
WAYS = ("close", "quit then close", "terminate", "hang up", "quit")


@dataclass(frozen=True)
class Trial:
    """One window: how it was closed, how long after the first frame, and how long until nothing was left (None: never)."""

    way: str
    after: float
    seconds: float | None


def trial(way: str, after: float, home: Path) -> Trial:
    """Open the app, end it in one of `WAYS` `after` seconds of its first frame, and wait until nothing of it is left."""
    pid, window = pty.fork()
    if pid == 0:
        environment = {**os.environ, "STUDYAPP_HOME": str(home), "TERM": "xterm-256color"}
        os.execvpe(sys.executable, [sys.executable, "-m", "studyapp", "--lang", "en"], environment)
    try:
        wait_for(window, b"practise", FIRST_FRAME_SECONDS)
        drain(window, after)
        start = time.monotonic()
        if way.startswith("quit"):
            os.write(window, b"\x11")
            if way == "quit then close":
                drain(window, min(after, 0.4))
        if way == "terminate":
            os.kill(pid, signal.SIGTERM)
        if way == "hang up":
            os.kill(pid, signal.SIGHUP)
        if "close" in way:
            os.close(window)
            window = -1
        while time.monotonic() - start < LEFT_SECONDS:
            if window >= 0:
                drain(window, 0.02)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
            if not belonging_to(home):
                return Trial(way, after, time.monotonic() - start)
            time.sleep(0.02)
        return Trial(way, after, None)
    finally:
        if window >= 0:
            os.close(window)
        for left in belonging_to(home):
            with contextlib.suppress(ProcessLookupError):
                os.kill(left, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


def wait_for(window: int, wanted: bytes, seconds: float) -> None:
    """Read what the app paints until `wanted` is among it.

    Raises:
        TimeoutError: where it does not come.
    """
    painted, until = b"", time.monotonic() + seconds
    while time.monotonic() < until:
        if select.select([window], [], [], 0.1)[0]:
            painted += os.read(window, 65536)
            if wanted in painted:
                return
    raise TimeoutError(f"no {wanted!r} in {seconds:g} s")


def drain(window: int, seconds: float) -> None:
    """Read what the app paints for a while, as a terminal does."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if select.select([window], [], [], left)[0]:
            try:
                if not os.read(window, 65536):
                    return
            except OSError:  # the app is gone, and its side of the terminal with it
                return


def belonging_to(home: Path) -> list[int]:
    """The processes that were started with this data folder and still run."""
    mark, found = f"STUDYAPP_HOME={home}\0".encode(), []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError, IndexError):
            state = (environ.parent / "stat").read_text(errors="replace").rpartition(")")[2].split()[0]
            if state != "Z" and mark in environ.read_bytes() and int(environ.parent.name) != os.getpid():
                found.append(int(environ.parent.name))
    return found


def campaign(times: int, seed: int = 0, told: Callable[[Trial], None] = lambda _: None) -> list[Trial]:
    """So many windows, their ways in turn, closed at random moments up to three seconds after the first frame."""
    dice, trials = random.Random(seed), []
    for number in range(times):
        with tempfile.TemporaryDirectory() as folder:
            one = trial(WAYS[number % len(WAYS)], dice.uniform(0, 3), Path(folder))
        trials.append(one)
        told(one)
    return trials


def main() -> None:
    """Run a campaign and print its table; leaves with 1 where something was left running."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    def told(one: Trial) -> None:
        if one.seconds is None or one.seconds > 2:
            print(one, flush=True)

    trials = campaign(min(options.times, 2000), options.seed, told)
    for way in WAYS:
        took = sorted(t.seconds if t.seconds is not None else float("inf") for t in trials if t.way == way)
        if took:
            print(f"{way:<16} {len(took):>4} windows   median {took[len(took) // 2]:.2f} s   longest {took[-1]:.2f} s")
    left = sum(t.seconds is None for t in trials)
    print(f"{left} of {len(trials)} left something running after {LEFT_SECONDS:g} s")
    sys.exit(1 if left else 0)


if __name__ == "__main__":
    main()
