"""A fork server with torch preloaded: `python -m studyapp.lab.fork_server FD`, where FD is one end of a socketpair.

It reads one JSON line a request. {"run": id, …} comes with two descriptors, one for messages and one for output, and forks a
child; {"kill": id} ends one. Messages are JSON lines; the last of a run is an exit record that the server writes itself, once
nothing of the run is left. The socket's end means that the app is gone: then every run is killed and the server leaves.

The server stays on one thread and does no CUDA call, so that its children may use threads, CUDA and forks of their own.
"""

import contextlib
import json
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from studyapp.lab.claim_process import ClaimProcess
from studyapp.lab.processes import adopt_orphans, children, dead, die_with, kill_group, limit

MOST_REQUEST = 1 << 20
GRACE_SECONDS = 1.0


@dataclass
class Server:
    """Forks a child a run, and sees to it that none outlives its run or the app."""

    link: socket.socket
    threads: int
    version: str
    live: dict[int, int] = field(default_factory=dict)  # run -> pid
    ends: dict[int, int] = field(default_factory=dict)  # pid -> descriptor of the exit record
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
                kill_group(pid)
            self.sweep(self.live.values())

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
            request = json.loads(line)
            if "kill" in request:
                if request["kill"] in self.live:
                    kill_group(self.live[request["kill"]])
            else:
                messages, output, *self.descriptors = self.descriptors
                self.fork(request, messages, output)
        return len(self.waiting) < MOST_REQUEST

    def fork(self, request: Mapping[str, Any], messages: int, output: int) -> None:
        """Start a run."""
        server = os.getpid()
        try:
            pid = os.fork()
        except OSError as error:
            os.close(output)
            self.records.append(
                (messages, record({"event": "error", "message": str(error)}) + record({"event": "exit", "code": 1}))
            )
            return
        if pid == 0:
            self.become_child(request, messages, output, server)
        with contextlib.suppress(OSError):
            os.setpgid(pid, pid)
        os.close(output)
        self.live[request["run"]] = pid
        self.ends[pid] = messages

    def become_child(self, request: Mapping[str, Any], messages: int, output: int, server: int) -> None:
        """Leave everything of the server's behind, run the demo, and never return."""
        code = 1
        try:
            os.setpgid(0, 0)
            signal.set_wakeup_fd(-1)
            for name in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(name, signal.SIG_DFL)
            die_with(server)
            os.dup2(output, 1)
            os.dup2(output, 2)
            for descriptor in {output, *self.own, *self.ends.values(), *(fd for fd, _ in self.records)} - {
                1,
                2,
                messages,
            }:
                os.close(descriptor)
            self.link.close()
            limit(request.get("memory", 0))
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
            os.set_blocking(messages, False)
            self.records.append((messages, record({"event": "exit", "code": os.waitstatus_to_exitcode(status)})))

    def sweep(self, groups: Any) -> None:
        """Kill what is left of these groups, and orphans that escaped theirs, until they are gone."""
        until, finished = time.monotonic() + GRACE_SECONDS, list(groups)
        while time.monotonic() < until:
            alive = [kill_group(pid) for pid in finished]
            strays = [p.pid for p in children() if p.pid not in self.ends and p.group not in self.ends]
            for pid in strays:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
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


def record(message: Mapping[str, Any]) -> bytes:
    """A message on a line of its own, also after half a line."""
    return b"\n" + json.dumps(message).encode() + b"\n"


def preload() -> tuple[int, str]:
    """Import what demos use, and say how many threads torch would take and which version it is.

    One thread first: a pool of threads would not survive the fork, and the ranks of a demo would hang.
    """
    import torch
    import torch._dynamo
    import torch.distributed
    from torch.utils.flop_counter import FlopCounterMode

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with FlopCounterMode(display=False):
        torch.ones(2, 2) @ torch.ones(2, 2)
    return threads, torch.__version__


def main() -> None:
    """Serve on the descriptor named on the command line."""
    link = socket.socket(fileno=int(sys.argv[1]))
    link.set_inheritable(False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        if not hasattr(os, "fork"):
            raise ImportError("demos need a system that can fork: Linux, macOS or WSL")
        threads, version = preload()
    except BaseException as error:
        with contextlib.suppress(OSError):
            link.sendall(json.dumps({"ready": False, "why": f"{type(error).__name__}: {error}"}).encode() + b"\n")
        sys.exit(1)
    adopt_orphans()
    with contextlib.suppress(OSError):
        link.sendall(json.dumps({"ready": True, "torch": version, "pid": os.getpid()}).encode() + b"\n")
        Server(link, threads, version).serve()


if __name__ == "__main__":
    main()
