"""Claims written on the spot, runs followed to their end, and processes looked at."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from studyapp.lab.client import LabClient
from studyapp.lab.demo import Demo
from studyapp.lab.protocol import Ended, RunEvent


def claim(body: str, name: str = "one", arguments: str = "", mark: str = "") -> str:
    """The source of a claim."""
    inside = "\n    ".join(body.splitlines())
    return f'{mark}def claim_{name}({arguments}):\n    """It is so.\n\n    如此。"""\n    {inside}\n\n\n'


HOLDS = claim('expect("n", 1, equals=1)', "holds")


async def everything(lab: LabClient, demo: Demo, *args: Any, **options: Any) -> list[RunEvent]:
    """All events of a run, which must end with one Ended."""
    events = [event async for event in lab.run(demo, *args, **options)]
    assert [type(e) for e in events].count(Ended) == 1
    assert isinstance(events[-1], Ended)
    return events


def ended(events: list[RunEvent]) -> Ended:
    """The end of a run."""
    assert isinstance(events[-1], Ended)
    return events[-1]


def alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def within(seconds: float, holds: Callable[[], bool]) -> bool:
    """Whether `holds` comes true in time."""
    until = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def descendants(pid: int) -> list[int]:
    """The processes below one."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            found += [int(stat.parent.name), *descendants(int(stat.parent.name))]
    return found
