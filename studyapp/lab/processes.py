"""What the lab asks of the operating system: who is below whom, how much memory that holds, and to end it.

/proc and prctl are Linux's. Elsewhere nothing is found: no orphans come to the worker either, and only the time-out guards
memory.
"""

import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path

PROC = Path("/proc")
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36


def children(pid: int) -> list[int]:
    """The children of a process, those of its threads too; none where it is gone."""
    if not _kernel_lists_children():
        return [child for child, parent in _parents().items() if parent == pid]
    found: list[int] = []
    with contextlib.suppress(OSError):  # asks this process alone: reading all of /proc ten times a second would cost a core
        for task in (PROC / str(pid) / "task").iterdir():
            with contextlib.suppress(OSError):
                found += map(int, (task / "children").read_text().split())
    return found


@cache
def _kernel_lists_children() -> bool:
    return (PROC / "self" / "task" / str(os.getpid()) / "children").exists()


def _parents() -> dict[int, int]:
    """The parent of every process that can be seen, for a kernel that does not list children."""
    parents: dict[int, int] = {}
    for stat in PROC.glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            parents[int(stat.parent.name)] = int(stat.read_text(errors="replace").rpartition(")")[2].split()[1])
    return parents


def family(root: int) -> list[int]:
    """A process and all below it, whatever group or session they are in."""
    found = [root]
    for pid in found:  # it grows on the way
        found += [child for child in children(pid) if child not in found]
    return found


def begun_with(mark: str) -> list[int]:
    """Every process that was begun with `mark`, a NAME=value, in its environment, whoever is its parent now."""
    found, wanted = [], f"{mark}\0".encode()
    for environ in PROC.glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if wanted in environ.read_bytes():
                found.append(int(environ.parent.name))
    return found


def held_memory(root: int, enough: int) -> int:
    """Bytes that a process and all below it hold; pages that they share are told apart only above `enough`."""
    pids = family(root)
    resident = sum(map(_resident, pids))
    return resident if resident <= enough else sum(map(_share, pids))


def _resident(pid: int) -> int:
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int((PROC / str(pid) / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def _share(pid: int) -> int:
    """The proportional set size: a page that n processes share counts 1/n."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in (PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return _resident(pid)


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


def kill_all(pids: Iterable[int]) -> None:
    """Kill these processes, those that are gone already aside."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def control(option: int, value: int) -> None:
    """prctl(2), where there is one: on Linux."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def adopt_orphans() -> None:
    """Become the parent of every orphan below: what leaves its group and session is still found."""
    control(PR_SET_CHILD_SUBREAPER, 1)


def die_with(parent: int) -> None:
    """End with `parent`, whose child this is, should it be killed; at once where it is gone already."""
    control(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def outlive(parent: int) -> bool:
    """No longer end with `parent`; False where it is gone already."""
    control(PR_SET_PDEATHSIG, 0)
    return os.getppid() == parent


def limit_data(size: int) -> None:
    """Make it an error that can be read to map more than `size` bytes of data; 0 sets no limit.

    This counts what is mapped, held or not: a backstop against one absurd allocation, far above what a run may hold.
    """
    if size:
        import resource

        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_DATA, (size, size))
