"""A fork server with torch preloaded: `python -m studyapp.lab.fork_server FD PID`, one end of a socketpair and the app.

It reads one JSON line a request (see protocol.py): StartRun comes with two descriptors, one for messages and one for output,
and forks a child in a folder of its own, which goes with it. The last message of a run is an exit record that the server
writes itself, once nothing of the run is left. The socket's end means that the app is gone: then every run is killed and the
server leaves. Before it can hear that, while it imports torch, it dies with the app.

The server stays on one thread and does no CUDA call, so that its children may use threads, CUDA and forks of their own.
"""

import contextlib
import os
import select
import shutil
import signal
import socket
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from studyapp.lab.claim_process import ClaimProcess, written
from studyapp.lab.processes import (
    adopt_orphans,
    children,
    dead,
    die_with,
    family,
    kill_all,
    kill_group,
    limit_data,
    outlive,
)
from studyapp.lab.protocol import ErrorMessage, ExitMessage, KillRun, Message, StartRun, WorkerStarted, read_request

MOST_REQUEST = 1 << 20
GRACE_SECONDS = 1.0
DAY_SECONDS = 86_400
FOLDER = "studyapp-run-"
MOST_THREADS = 16
"""Of a timed claim: more gain little at the sizes of a demo, and each wants a stack of its own."""


@dataclass
class Server:
    """Forks a child a run, and sees to it that none outlives its run or the app."""

    link: socket.socket
    threads: int
    version: str
    live: dict[int, int] = field(default_factory=dict)  # run -> pid
    ends: dict[int, int] = field(default_factory=dict)  # pid -> descriptor of the exit record
    folders: dict[int, str] = field(default_factory=dict)  # pid -> the folder it works in
    records: list[tuple[int, bytes]] = field(default_factory=list)
    waiting: bytes = b""
    descriptors: list[int] = field(default_factory=list)

    def serve(self) -> None:
        """Serve until the app is gone."""
        woken, wake = os.pipe()
        os.set_blocking(woken, False)
        os.set_blocking(wake, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        self.own = (woken, wake)
        heard: list[Any] = [self.link, woken]
        try:
            while True:
                ready, writable, _ = select.select(heard, [fd for fd, _ in self.records], [])
                for descriptor in writable:
                    self.write_record(descriptor)
                if woken in ready:
                    with contextlib.suppress(BlockingIOError):
                        os.read(woken, 4096)
                    self.reap()
                if self.link in ready and not self.listen():
                    return
        finally:
            for pid in self.live.values():
                self.kill(pid)
            self.ends.clear()
            self.sweep(self.live.values())
            for folder in self.folders.values():
                remove(folder)

    def listen(self) -> bool:
        """Take what the app sent; False where it is gone."""
        try:
            data, descriptors, _, _ = socket.recv_fds(self.link, 65536, 16)
        except ConnectionError:
            return False
        if not data:
            return False
        self.descriptors += descriptors
        *lines, self.waiting = (self.waiting + data).split(b"\n")
        for line in lines:
            request = read_request(line)
            if isinstance(request, KillRun):
                if request.run in self.live:
                    self.kill(self.live[request.run])
            else:
                messages, output, *self.descriptors = self.descriptors
                self.fork(request, messages, output)
        return len(self.waiting) < MOST_REQUEST

    def kill(self, pid: int) -> None:
        """Kill a run: its group, its leader, which may have left that, and all below it."""
        below = family(pid)
        kill_group(pid)
        kill_all(below)

    def fork(self, request: StartRun, messages: int, output: int) -> None:
        """Start a run."""
        server, folder = os.getpid(), ""
        try:
            folder = tempfile.mkdtemp(prefix=FOLDER)
            pid = os.fork()
        except OSError as error:
            os.close(output)
            remove(folder)
            self.records.append((messages, record(ErrorMessage(str(error))) + record(ExitMessage(1))))
            return
        if pid == 0:
            self.become_child(request, messages, output, server, folder)
        with contextlib.suppress(OSError):
            os.setpgid(pid, pid)
        os.close(output)
        self.live[request.run] = pid
        self.ends[pid] = messages
        self.folders[pid] = folder

    def become_child(self, request: StartRun, messages: int, output: int, server: int, folder: str) -> None:
        """Leave everything of the server's behind, run the demo, and never return."""
        code = 1
        try:
            os.setpgid(0, 0)
            signal.set_wakeup_fd(-1)
            for name in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(name, signal.SIG_DFL)
            die_with(server)
            adopt_orphans()
            os.dup2(output, 1)
            os.dup2(output, 2)
            for descriptor in {output, *self.own, *self.ends.values(), *(fd for fd, _ in self.records)} - {
                1,
                2,
                messages,
            }:
                os.close(descriptor)
            self.link.close()
            settle_in(folder)
            limit_data(request.data_limit)
            with contextlib.suppress(OSError):
                os.nice(5)
            code = ClaimProcess(messages, request, self.threads, self.version).run()
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            with contextlib.suppress(BaseException):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)

    def reap(self) -> None:
        """Collect the dead; a run whose leader died is over, and what it left behind is killed before that is said."""
        for pid, status in dead():
            if pid not in self.ends:
                continue
            kill_group(pid)
            self.live = {run: p for run, p in self.live.items() if p != pid}
            messages = self.ends.pop(pid)
            self.sweep([pid])
            remove(self.folders.pop(pid))
            os.set_blocking(messages, False)
            self.records.append((messages, record(ExitMessage(os.waitstatus_to_exitcode(status)))))

    def sweep(self, groups: Iterable[int]) -> None:
        """Kill what is left of these groups, and what fell to the server when its leader died, until they are gone."""
        until, finished = time.monotonic() + GRACE_SECONDS, list(groups)
        while time.monotonic() < until:
            alive = [kill_group(pid) for pid in finished]
            strays = [pid for pid in children(os.getpid()) if pid not in self.ends]
            kill_all(below for stray in strays for below in family(stray))
            for pid in [*strays, *finished]:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)
            if not strays and not any(alive):
                return
            time.sleep(0.002)

    def write_record(self, descriptor: int) -> None:
        """Write an exit record whose pipe has room; an app that stopped listening gets none."""
        for fd, data in self.records:
            if fd == descriptor:
                with contextlib.suppress(OSError):
                    os.write(fd, data)
                os.close(fd)
        self.records = [(fd, data) for fd, data in self.records if fd != descriptor]


def record(message: Message) -> bytes:
    """A message on a line of its own, also after half a line."""
    return b"\n" + written(message)


def settle_in(folder: str) -> None:
    """Work in `folder`, and make temporary files there, so that they go with the run; what was compiled is kept."""
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(Path(tempfile.gettempdir(), f"torchinductor_{os.getuid()}")))
    os.chdir(folder)
    os.environ["TMPDIR"] = tempfile.tempdir = folder


def remove(folder: str) -> None:
    """Remove a run's folder with all that is in it, also what the run made unreadable."""

    def open_up(retry: Callable[..., Any], path: str, _: object) -> None:
        with contextlib.suppress(OSError):
            for name in (os.path.dirname(path), path):  # noqa: PTH120 - rmtree speaks in strings
                if not os.path.islink(name):  # noqa: PTH114
                    os.chmod(name, stat.S_IRWXU)  # noqa: PTH101
            shutil.rmtree(path) if retry in (os.scandir, os.open) else retry(path)

    if folder:
        shutil.rmtree(folder, onerror=open_up)


def remove_left_behind() -> None:
    """Remove folders of runs whose worker was killed before it could."""
    oldest = time.time() - DAY_SECONDS  # far longer than any run: others may be running beside this worker
    for folder in Path(tempfile.gettempdir()).glob(f"{FOLDER}*"):
        with contextlib.suppress(OSError):
            if (state := folder.lstat()).st_mtime < oldest and state.st_uid == os.getuid():
                remove(str(folder))


def preload() -> tuple[int, str]:
    """Import what demos use, and say how many threads torch would take and which version it is.

    One thread first: a pool of threads would not survive the fork, and the ranks of a demo would hang.
    """
    import torch
    import torch._dynamo
    import torch.distributed
    from torch.utils.flop_counter import FlopCounterMode

    import studyapp.evidence.claims
    import studyapp.evidence.tools  # noqa: F401

    threads = min(torch.get_num_threads(), MOST_THREADS)
    torch.set_num_threads(1)
    with FlopCounterMode(display=False):
        torch.ones(2, 2) @ torch.ones(2, 2)
    return threads, str(torch.__version__)


def main() -> None:
    """Serve on the descriptor named on the command line."""
    app = int(sys.argv[2])
    die_with(app)  # while torch is imported nobody listens to the socket, and its end would not be heard
    link = socket.socket(fileno=int(sys.argv[1]))
    link.set_inheritable(False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        if not hasattr(os, "fork"):
            raise ImportError("demos need a system that can fork: Linux, macOS or WSL")
        threads, version = preload()
    except BaseException as error:
        with contextlib.suppress(OSError):
            link.sendall(msgspec.json.encode(WorkerStarted(False, why=f"{type(error).__name__}: {error}")) + b"\n")
        sys.exit(1)
    adopt_orphans()
    if not outlive(app):
        sys.exit(1)
    with contextlib.suppress(OSError):
        link.sendall(msgspec.json.encode(WorkerStarted(True, version)) + b"\n")
        remove_left_behind()
        Server(link, threads, version).serve()
    os._exit(0)  # nothing is left to tidy up, and to take torch down takes seconds


if __name__ == "__main__":
    main()
