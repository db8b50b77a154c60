"""What the lab asks of the operating system: who is whose child, how much a group holds, and to end them.

/proc is Linux's. Elsewhere nothing is found there: no orphans come to the worker either, and only the time-out guards memory.
"""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Process:
    """A process as /proc shows it; `resident` in bytes."""

    pid: int
    parent: int
    group: int
    resident: int


def processes() -> Iterator[Process]:
    """Every process that can be seen."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            _, parent, group, *rest = stat.read_text(errors="replace").rpartition(")")[2].split()
            yield Process(int(stat.parent.name), int(parent), int(group), int(rest[18]) * os.sysconf("SC_PAGE_SIZE"))


def children() -> list[Process]:
    """This process's own children."""
    return [process for process in processes() if process.parent == os.getpid()]


def group_memory(group: int, enough: int) -> int:
    """Bytes that a process group holds; pages that its processes share are told apart only above `enough`."""
    members = [process for process in processes() if process.group == group]
    resident = sum(process.resident for process in members)
    if resident <= enough or len(members) == 1:
        return resident
    return sum(map(_share, members))


def _share(process: Process) -> int:
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return process.resident


def dead() -> list[tuple[int, int]]:
    """Every child that has ended, with its status."""
    found = []
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            found.append(ended)
    return found


def kill_group(pid: int) -> bool:
    """Kill a process group; False where it is empty."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def control(option: int, value: int) -> None:
    """prctl(2), on Linux alone."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def adopt_orphans() -> None:
    """Become the parent of what escapes a run (PR_SET_CHILD_SUBREAPER)."""
    control(36, 1)


def die_with(server: int) -> None:
    """End with the server, should it be killed (PR_SET_PDEATHSIG)."""
    control(1, signal.SIGKILL)
    if os.getppid() != server:
        os._exit(1)


def limit(memory: int) -> None:
    """Make an allocation beyond `memory` bytes an error that can be read."""
    if memory:
        import resource

        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
