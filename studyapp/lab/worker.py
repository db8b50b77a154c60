"""A fork server with torch preloaded: `python -m studyapp.lab.worker FD`, where FD is one end of a socketpair.

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
from pathlib import Path
from typing import Any

from studyapp.evidence.types import Check, Evidence, to_json

EVIDENCE_BYTES = 4 << 20
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
            code = Child(messages, request, self.threads, self.version).run()
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
            strays = [pid for pid, group in children() if pid not in self.ends and group not in self.ends]
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


def children() -> list[tuple[int, int]]:
    """The server's children and their groups; nothing where there is no /proc, and so no orphans come to the server either."""
    me, found = os.getpid(), []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError):
            _, parent, group, *_ = stat.read_text(errors="replace").rpartition(")")[2].split()
            if int(parent) == me:
                found.append((int(stat.parent.name), int(group)))
    return found


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


class Child:
    """One run: the demo's claims one after the other, and a Listener that writes what they say."""

    def __init__(self, messages: int, request: Mapping[str, Any], threads: int, version: str) -> None:
        self.messages, self.request, self.threads, self.version = messages, request, threads, version
        self.leader, self.claim, self.room, self.full = os.getpid(), "", EVIDENCE_BYTES, False

    def say(self, event: str, **what: Any) -> None:
        """Write one message; a rank that was forked from here stays silent."""
        if os.getpid() == self.leader:
            self.write(json.dumps({"event": event, "claim": self.claim, **what}, ensure_ascii=False))

    def write(self, line: str) -> None:
        data = line.encode(errors="replace") + b"\n"
        while data:
            data = data[os.write(self.messages, data) :]

    def shown(self, item: Evidence) -> None:
        """Send evidence while there is room for it."""
        if self.full or os.getpid() != self.leader:
            return
        line = json.dumps({"event": "shown", "claim": self.claim, "item": to_json(item)}, ensure_ascii=False)
        self.room -= len(line)
        if self.room < 0:
            self.full = True
            print(f"studyapp: evidence beyond {EVIDENCE_BYTES >> 20} MiB is left out", file=sys.stderr)
        else:
            self.write(line)

    def checked(self, check: Check) -> None:
        self.say("checked", check=to_json(check))

    def progressed(self, done: int, total: int) -> None:
        self.say("progress", done=done, total=total)

    def run(self) -> int:
        """Run the claims asked for; 0 where the demo could be run at all."""
        self.say("hello", pid=self.leader, torch=self.version)
        sys.stdout = open(1, "w", buffering=1, encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", buffering=1, encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115
        import torch

        from studyapp.evidence.claims import find_claims, run_claim

        torch.set_num_threads(1)
        try:
            module = load(Path(self.request["path"]))
        except BaseException as error:
            self.fail(error)
            return 1
        claims = find_claims(module)
        given = {k: frozen(v) for k, v in self.request["parameters"].items()}
        wanted = [c for c in claims if self.request["claims"] is None or c in self.request["claims"]]
        if any("cuda" in getattr(claims[c], "needs", ()) for c in wanted) and torch.cuda.is_available():
            self.say("machine", machine=slug(torch.cuda.get_device_name()))
        for name in wanted:
            self.claim = name
            if getattr(claims[name], "timed", False):
                torch.set_num_threads(self.threads)
            self.say("started")
            try:
                outcome = run_claim(name, claims[name], given, seed=self.request["seed"], listener=self)
            except BaseException as error:
                self.fail(error)
                return 1
            if outcome.skipped:
                self.say("skipped", why=outcome.skipped)
            else:
                self.say("finished", held=outcome.held, seconds=outcome.seconds, error=outcome.error or None)
        self.claim = ""
        self.say("done")
        return 0

    def fail(self, error: BaseException) -> None:
        """Say why the demo could not go on."""
        import traceback

        self.say("error", message="".join(traceback.format_exception(error, limit=-4)))


def slug(name: str) -> str:
    """«NVIDIA H200» as a folder's name: nvidia-h200."""
    return "-".join("".join(c if c.isalnum() else " " for c in name.lower()).split())


def load(path: Path) -> Any:
    """The module in a file, known to sys.modules, without which dataclasses with future annotations break."""
    import importlib.util

    spec = importlib.util.spec_from_file_location(f"demo_{path.parent.name}_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not Python")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    sys.dont_write_bytecode = True
    spec.loader.exec_module(module)
    return module


def frozen(value: Any) -> Any:
    """JSON's lists as the tuples they were."""
    return tuple(frozen(v) for v in value) if isinstance(value, list) else value


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
