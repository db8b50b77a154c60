"""From the command to the first frame, the first question and a demo's first result, in a real pseudo-terminal.

    python benchmarks/startup.py [TIMES]          (default: 7; the median is told)

Beside them, in the same run: a bare Python, a bare Textual app, and Python importing torch.
"""

import asyncio
import os
import pty
import re
import select
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from studyapp.lab import protocol as e
from studyapp.lab.catalog import Catalog
from studyapp.lab.client import LabClient
from studyapp.lab.verify import verify
from studyapp.paths import demos_dir

BARE = """
from textual.app import App
from textual.widgets import Static
class Bare(App):
    def compose(self):
        yield Static("bare and ready")
Bare().run()
"""
DEMO = "attention/score_scaling"
CODES = re.compile(rb"\x1b\[[0-9;?<>=]*[a-zA-Z]|\x1b[()=>][0-9A-Z]?")


class Terminal:
    """A program in a pseudo-terminal of 120 by 40; `wait` gives the seconds from the start until it shows some words."""

    def __init__(self, *command: str, home: Path) -> None:
        self.start = time.perf_counter()
        self.pid, self.file = pty.fork()
        if not self.pid:
            os.environ |= {"STUDYAPP_HOME": str(home), "TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40"}
            os.execvp(command[0], command)
        self.shown = b""

    def wait(self, words: str, limit: float = 60) -> float:
        """Seconds since the start."""
        while words.encode() not in CODES.sub(b"", self.shown):
            if not select.select([self.file], [], [], limit)[0]:
                raise TimeoutError(f"never saw {words!r}")
            self.shown += os.read(self.file, 65536)
        return time.perf_counter() - self.start

    def press(self, keys: str) -> float:
        """Type, and begin to look anew; the moment."""
        self.shown = b""
        os.write(self.file, keys.encode())
        return time.perf_counter()


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


def app_times(home: Path) -> dict[str, float]:
    """First frame, first question (enter pressed at once), then its answer and a key's echo."""
    with terminal(sys.executable, "-m", "studyapp", home=home) as app:
        frame = app.wait("Foundations")
        pressed = app.press("a")
        app.wait("Answer aloud")
        question = time.perf_counter()
        revealed = app.press(" ")
        app.wait("what to say")
        answer = time.perf_counter() - revealed
    return {
        "studyapp: first frame": frame,
        "studyapp: first question": question - app.start,
        "of it from the key": question - pressed,
        "space to the answer": answer,
    }


def others(home: Path) -> dict[str, float]:
    """What any program here would need."""
    said = {}
    for name, code in (("python -c pass", "pass"), ("python -c 'import torch'", "import torch")):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        said[name] = time.perf_counter() - start
    with terminal(sys.executable, "-c", BARE, home=home) as bare:
        said["a bare Textual app: first frame"] = bare.wait("bare and ready")
    return said


async def first_result() -> dict[str, float]:
    """A demo's first evidence: with the lab not started yet, and with the lab ready."""
    demo = Catalog.load(demos_dir()).demos[DEMO]

    async def shown(lab: LabClient, start: float) -> float:
        took = 0.0
        async for event in lab.run(demo):
            if isinstance(event, e.Shown) and not took:
                took = time.perf_counter() - start
        return took

    start, lab = time.perf_counter(), LabClient()
    try:
        await lab.start()
        cold = await shown(lab, start)
        warm = await shown(lab, time.perf_counter())
    finally:
        await lab.close()
    return {"demo, cold: to its first evidence": cold, "demo, warm: to its first evidence": warm}


async def verify_all() -> tuple[int, float]:
    """Every demo, as `studyapp verify` runs them."""
    catalog, lab, start = Catalog.load(demos_dir()), LabClient(), time.perf_counter()
    try:
        await lab.start()
        results = [r async for r in verify(lab, catalog, list(catalog.demos))]
    finally:
        await lab.close()
    return len(results), time.perf_counter() - start


def main() -> None:
    """A table of medians."""
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    seen: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as home:
        for _ in range(times):
            for name, seconds in (others(Path(home)) | app_times(Path(home)) | asyncio.run(first_result())).items():
                seen.setdefault(name, []).append(seconds)
    bare = statistics.median(seen["a bare Textual app: first frame"])
    print(f"\n| median of {times} | seconds | of a bare Textual app |\n|---|---|---|")
    for name, values in seen.items():
        middle = statistics.median(values)
        print(f"| {name} | {middle:.3f} | {middle / bare:.2f} |")
    demos, seconds = asyncio.run(verify_all())
    print(f"\nverify: {demos} demos in {seconds:.1f} s on {os.cpu_count()} cores, {seconds / demos:.2f} s a demo")


if __name__ == "__main__":
    main()
