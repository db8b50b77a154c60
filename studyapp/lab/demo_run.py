"""One run of a demo as the app sees it: events as they come, and the end of it, whatever the demo does."""

import asyncio
import contextlib
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any

from studyapp.evidence.types import from_json
from studyapp.lab.processes import group_memory
from studyapp.lab.protocol import Checked, Ended, Finished, Output, Progress, Reason, RunEvent, Shown, Skipped, Started

if TYPE_CHECKING:
    from studyapp.lab.client import LabClient

LINE_BYTES = 16 << 20
OUTPUT_BYTES = 64 << 10
POLL_SECONDS = 0.1
GONE_SECONDS = 3.0


class DemoRun:
    """One run of a demo. Iterate over it; `cancel()`, or closing the iterator, kills its whole process group."""

    def __init__(self, lab: "LabClient", request: Mapping[str, Any], timeout: float, memory: int) -> None:
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

    def __aiter__(self) -> AsyncIterator[RunEvent]:
        return self

    async def __anext__(self) -> RunEvent:
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

    async def _all(self) -> AsyncIterator[RunEvent]:
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

    def _event(self, message: Mapping[str, Any]) -> RunEvent | None:
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
