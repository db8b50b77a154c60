"""The app's side of the lab: start the worker, run demos in it, and never be harmed by one."""

import asyncio
import contextlib
import itertools
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Collection, Mapping
from pathlib import Path
from typing import Any

from studyapp.errors import DemoError
from studyapp.evidence.types import from_json
from studyapp.lab.catalog import Demo
from studyapp.lab.events import Checked, Ended, Event, Finished, Output, Progress, Reason, Shown, Skipped, Started

LINE_BYTES = 16 << 20
OUTPUT_BYTES = 64 << 10
START_SECONDS = 60.0
POLL_SECONDS = 0.1
GONE_SECONDS = 3.0


class Lab:
    """A worker process and the runs in it. Start it after the first frame; a run starts it where it is not yet."""

    def __init__(self, python: str = sys.executable) -> None:
        self.python = python
        self.ready = False
        self.torch = ""
        self.why = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._link: socket.socket | None = None
        self._stderr: Any = None
        self._starting: asyncio.Task[None] | None = None
        self._runs = itertools.count(1)

    @property
    def pid(self) -> int | None:
        """The worker's process, where there is one."""
        return self._process.pid if self._process else None

    async def start(self) -> bool:
        """Start the worker and wait until it is ready; False, and `why`, where it cannot be."""
        if self.ready and self._process is not None and self._process.poll() is not None:
            await self.close()
        if self._starting is None or (self._starting.done() and not self.ready):
            self._starting = asyncio.create_task(self._start())
        await asyncio.shield(self._starting)
        return self.ready

    async def _start(self) -> None:
        await self._stop()
        self.why = ""
        if not hasattr(socket, "send_fds"):
            self.why = "demos need a system that can fork: Linux, macOS or WSL"
            return
        mine, theirs = socket.socketpair()
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the worker
        root = str(Path(__file__).parent.parent.parent)
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))}
        try:
            self._process = subprocess.Popen(
                [self.python, "-P", "-m", "studyapp.lab.worker", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._stderr,
                start_new_session=True,
                env=environment,
            )
        except OSError as error:
            mine.close()
            self.why = f"{self.python} cannot be started: {error.strerror}"
            return
        finally:
            theirs.close()
        mine.setblocking(False)
        self._link = mine
        hello = b""
        try:
            async with asyncio.timeout(START_SECONDS):
                while not hello.endswith(b"\n"):
                    data = await asyncio.get_running_loop().sock_recv(mine, 65536)
                    if not data:
                        break
                    hello += data
        except (TimeoutError, ConnectionError) as error:
            self.why = f"the worker did not start: {error or 'it took too long'}"
            await self._stop()
            return
        said: dict[str, Any] = (
            json.loads(hello) if hello.endswith(b"\n") else {"ready": False, "why": self._last_words()}
        )
        self.ready, self.torch, self.why = said["ready"], said.get("torch", ""), said.get("why", "")
        if not self.ready:
            await self._stop()

    def _last_words(self) -> str:
        self._stderr.seek(0)
        said = self._stderr.read()[-2000:].decode(errors="replace").strip().splitlines()
        return said[-1] if said else "the worker ended at once"

    async def close(self) -> None:
        """Kill every run and the worker."""
        if self._starting is not None and not self._starting.done():
            self._starting.cancel()
            await asyncio.gather(self._starting, return_exceptions=True)
        self._starting = None
        await self._stop()

    async def _stop(self) -> None:
        self.ready = False
        if self._link is not None:
            self._link.close()
            self._link = None
        process, self._process = self._process, None
        if process is not None:
            until = time.monotonic() + GONE_SECONDS
            while process.poll() is None and time.monotonic() < until:
                await asyncio.sleep(0.01)
            if process.poll() is None:
                process.kill()
                process.wait()
        if self._stderr is not None:
            self._stderr.close()
            self._stderr = None

    async def __aenter__(self) -> "Lab":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def run(
        self,
        demo: Demo,
        claims: Collection[str] | None = None,
        parameters: Mapping[str, Any] | None = None,
        *,
        seed: int = 0,
        timeout: float = 30.0,
        memory: int = 2 << 30,
    ) -> "Run":
        """A run of a demo's claims (all, or those named), as an async iterator of events; the last is Ended.

        Raises:
            DemoError: where a claim or parameter is unknown, or a parameter is of another type.
        """
        names = None if claims is None else [demo.claim(c).name for c in claims]
        request = {
            "path": str(demo.path.resolve()),
            "claims": names,
            "parameters": demo.settle(parameters or {}),
            "seed": seed,
            "memory": memory,
        }
        return Run(self, request, timeout, memory)

    def send(self, request: Mapping[str, Any], descriptors: Collection[int] = ()) -> None:
        """Send one request to the worker.

        Raises:
            OSError: where the worker is gone.
        """
        if self._link is None:
            raise BrokenPipeError("the worker is gone")
        data = json.dumps(request).encode() + b"\n"
        if descriptors:
            sent = socket.send_fds(self._link, [data], list(descriptors))
            data = data[sent:]
        if data:
            self._link.sendall(data)

    def next_run(self) -> int:
        """A number for a run."""
        return next(self._runs)


class Run:
    """One run of a demo. Iterate over it; `cancel()`, or closing the iterator, kills its whole process group."""

    def __init__(self, lab: Lab, request: Mapping[str, Any], timeout: float, memory: int) -> None:
        self.lab, self.request, self.timeout, self.memory = lab, dict(request), timeout, memory
        self.number = 0
        self.pid = 0
        self.torch, self.machine = "", "cpu"
        self._reason: Reason | None = None
        self._message = ""
        self._ok = True
        self._claim = ""
        self._all_run = False
        self._events = self._all()

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        return await self._events.__anext__()

    async def aclose(self) -> None:
        """Kill the run, where it still goes on."""
        await self._events.aclose()  # type: ignore[attr-defined]

    def cancel(self) -> None:
        """Kill the run; its iterator then ends with Ended(reason="cancelled"). Does nothing to one that is over."""
        self._kill("cancelled", "cancelled")

    def _kill(self, reason: Reason, message: str) -> None:
        if self._reason is None:
            self._reason, self._message, self._ok = reason, message, False
            self._send_kill()

    def _send_kill(self) -> None:
        if self.number:
            with contextlib.suppress(OSError):
                self.lab.send({"kill": self.number})

    async def _all(self) -> AsyncIterator[Event]:
        if not await self.lab.start():
            yield Ended(False, "unavailable", self.lab.why)
            return
        if self._reason is not None:
            yield Ended(False, self._reason, self._message)
            return
        self.number = self.lab.next_run()
        pipes: list[tuple[int, int]] = [os.pipe(), os.pipe()]
        try:
            self.lab.send({"run": self.number, **self.request}, [write for _, write in pipes])
        except OSError as error:
            for read, _ in pipes:
                os.close(read)
            yield Ended(False, "unavailable", f"the worker is gone: {error}")
            return
        finally:
            for _, write in pipes:
                os.close(write)
        tail, exited = Tail(), False
        messages, said = await reader(pipes[0][0])
        output, printed = await reader(pipes[1][0])
        draining = asyncio.create_task(tail.drain(output))
        watching = asyncio.create_task(self._watch())
        try:
            while not exited:
                try:
                    line = await messages.readline()
                except ValueError:
                    self._kill("crash", f"a message was longer than {LINE_BYTES >> 20} MiB")
                    continue
                if not line:
                    break
                message = read_message(line)
                exited = message.get("event") == "exit"
                event = self._event(message)
                if event is not None:
                    yield event
            watching.cancel()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(draining, GONE_SECONDS)
            if tail.text:
                yield Output(tail.text)
            if not exited and self._reason is None:
                self._reason, self._message, self._ok = "crash", "the worker ended", False
            ended = Ended(self._ok, self._reason or "done", self._message, self.machine, self.torch or self.lab.torch)
            self._reason = ended.reason
            yield ended
        finally:
            watching.cancel()
            draining.cancel()
            if not exited:
                self._kill("cancelled", "cancelled")
                self._send_kill()
                with contextlib.suppress(TimeoutError, ValueError, asyncio.CancelledError):
                    await asyncio.wait_for(until_exit(messages), GONE_SECONDS)
            said.close()
            printed.close()

    async def _watch(self) -> None:
        """Kill the run where it takes too long or too much."""
        until = time.monotonic() + self.timeout
        while self._reason is None:
            left = until - time.monotonic()
            if left <= 0:
                self._kill("timeout", f"{self._claim or 'the demo'} was stopped after {self.timeout:g} s")
            elif self.memory and self.pid and group_memory(self.pid, self.memory) > self.memory:
                self._kill("memory", f"{self._claim or 'the demo'} took more than {self.memory / (1 << 30):.3g} GiB")
            await asyncio.sleep(max(0.0, min(POLL_SECONDS, left)))

    def _event(self, message: Mapping[str, Any]) -> Event | None:
        """What the app hears of a message of the child."""
        claim = message.get("claim", "")
        self._claim = claim or self._claim
        match message.get("event"):
            case "hello":
                self.pid, self.torch = message["pid"], message["torch"]
            case "machine":
                self.machine = message["machine"]
            case "started":
                return Started(claim)
            case "progress":
                return Progress(claim, message["done"], message["total"])
            case "shown":
                return Shown(claim, from_json(message["item"]))  # type: ignore[arg-type]
            case "checked":
                return Checked(claim, from_json(message["check"]))  # type: ignore[arg-type]
            case "skipped":
                return Skipped(claim, message["why"])
            case "finished":
                self._ok &= message["held"]
                return Finished(claim, message["held"], message["seconds"], message["error"])
            case "error":
                if self._reason is None:
                    self._reason, self._message, self._ok = "crash", message["message"], False
            case "done":
                self._all_run = True
            case "exit" if not self._all_run and self._reason is None:
                self._reason, self._message, self._ok = "crash", self._death(message["code"]), False
        return None

    def _death(self, code: int) -> str:
        where = f" in {self._claim}" if self._claim else ""
        if code < 0:
            import signal

            with contextlib.suppress(ValueError):
                return f"the demo was killed by {signal.Signals(-code).name}{where}"
        return f"the demo left with exit code {code}{where}"


class Tail:
    """The last of what a demo printed."""

    def __init__(self) -> None:
        self.kept, self.lost = b"", 0

    async def drain(self, stream: asyncio.StreamReader) -> None:
        """Read until nothing writes any more."""
        while data := await stream.read(OUTPUT_BYTES):
            self.kept += data
            self.lost += max(0, len(self.kept) - OUTPUT_BYTES)
            self.kept = self.kept[-OUTPUT_BYTES:]

    @property
    def text(self) -> str:
        """It as text, with a word on how much went before it."""
        said = self.kept.decode(errors="replace")
        return f"[… {self.lost} bytes left out]\n{said}" if self.lost else said


async def reader(descriptor: int) -> tuple[asyncio.StreamReader, asyncio.ReadTransport]:
    """A stream over the reading end of a pipe."""
    stream = asyncio.StreamReader(limit=LINE_BYTES)
    pipe = os.fdopen(descriptor, "rb", buffering=0)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(stream), pipe
    )
    return stream, transport


async def until_exit(messages: asyncio.StreamReader) -> None:
    """Read on until the exit record: then nothing of the run is left."""
    while line := await messages.readline():
        if read_message(line).get("event") == "exit":
            return


def read_message(line: bytes) -> dict[str, Any]:
    """A message, or nothing where a kill left half of one."""
    try:
        message = json.loads(line)
    except ValueError:
        return {}
    return message if isinstance(message, dict) else {}


def group_memory(group: int, enough: int) -> int:
    """Bytes that a process group holds; pages that its processes share are told apart only above `enough`. 0 without /proc."""
    members = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            fields = stat.read_text(errors="replace").rpartition(")")[2].split()
            if int(fields[2]) == group:
                members.append((stat.parent, int(fields[21]) * os.sysconf("SC_PAGE_SIZE")))
    resident = sum(size for _, size in members)
    if resident <= enough or len(members) == 1:
        return resident
    return sum(_share(folder, size) for folder, size in members)


def _share(folder: Path, resident: int) -> int:
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in (folder / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return resident


__all__ = ["DemoError", "Lab", "Run"]
