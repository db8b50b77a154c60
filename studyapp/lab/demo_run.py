"""One run of a demo as the app sees it: events as they come, and the end of it, whatever the demo does."""

import asyncio
import contextlib
import os
import re
import signal
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

import msgspec

from studyapp.evidence.limits import limited
from studyapp.evidence.types import outcome_state
from studyapp.lab.processes import held_memory
from studyapp.lab.protocol import (
    GONE_SECONDS,
    AnyMessage,
    Checked,
    CheckedMessage,
    DoneMessage,
    Drilled,
    DrilledMessage,
    Ended,
    ErrorMessage,
    ExitMessage,
    Finished,
    FinishedMessage,
    HelloMessage,
    KillRun,
    MachineMessage,
    MalformedMessageError,
    Output,
    Progress,
    ProgressMessage,
    Reason,
    RunEvent,
    Shown,
    ShownMessage,
    Skipped,
    SkippedMessage,
    Started,
    StartedMessage,
    StartRun,
    Tried,
    TriedMessage,
    TryingMessage,
    Worker,
    read_check,
    read_drill,
    read_evidence,
    read_message,
)
from studyapp.plaintext import printable, printable_all

LINE_BYTES = 16 << 20
OUTPUT_BYTES = 64 << 10
POLL_SECONDS = 0.1
SHARE_OF_TIME = 0.05  # at most this much of the app's time goes into watching memory
LOAD_SECONDS = 30.0
EOF_SECONDS = 1.0
"""The pipe ends right after the worker's exit record; a demo that wrote one itself goes on, and is stopped then."""
LAST_WORDS = re.compile(r"^(?:libgomp: |OMP: Error|terminate called|Fatal Python error|.*\bbad_alloc\b).*$", re.MULTILINE)
"""What libraries print before they end the process, and no exception tells."""


class DemoRun:
    """One run of a demo. Iterate over it; `cancel()`, or closing the iterator, kills every process of it.

    `limits` are the seconds that each claim may take, `memory` the bytes that all processes of the run may hold.
    """

    def __init__(self, worker: Worker, request: StartRun, limits: Mapping[str, float], memory: int) -> None:
        self.worker, self.request, self.limits, self.memory = worker, request, limits, memory
        self.pid = 0
        self.torch, self.machine = "", "cpu"
        self._started = self._settled = self._over = False
        self._code: int | None = None
        self._claim, self._limit, self._deadline, self._last = "", LOAD_SECONDS, 0.0, 0.0
        self._ended = Ended(True, "done")  # how it ended, once that is settled
        self._giving_up: asyncio.TimerHandle | None = None
        self._messages: asyncio.ReadTransport | None = None
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
        self._stop("cancelled", "cancelled")

    def _stop(self, reason: Reason, message: str, limit: str = "") -> None:
        """Kill the run, for the first reason there is; where that does not happen, kill the worker, and its runs with it."""
        self._settle(Ended(False, reason, message, claim=self._claim, limit=limit))
        if self._started and not self._over and self._giving_up is None:
            with contextlib.suppress(OSError):
                self.worker.send(KillRun(self.request.run))
            self._giving_up = asyncio.get_running_loop().call_later(GONE_SECONDS, self._give_up)

    def _settle(self, ended: Ended) -> None:
        if not self._settled:
            self._settled, self._ended = True, ended

    def _give_up(self) -> None:
        self.worker.kill()
        if self._messages is not None:
            self._messages.close()

    async def _all(self) -> AsyncIterator[RunEvent]:
        if not await self.worker.start():
            yield Ended(False, "unavailable", printable(self.worker.why))
            return
        if self._settled:
            yield self._ended
            return
        self.request = msgspec.structs.replace(self.request, run=self.worker.next_run())
        pipes: list[tuple[int, int]] = [os.pipe(), os.pipe()]
        try:
            self.worker.send(self.request, [write for _, write in pipes])
        except OSError as error:
            for read, _ in pipes:
                os.close(read)
            yield Ended(False, "unavailable", f"the worker is gone: {error}")
            return
        finally:
            for _, write in pipes:
                os.close(write)
        self._started, tail = True, Tail()
        self._deadline = time.monotonic() + LOAD_SECONDS
        trials = sum(self.limits[claim] for claim, _ in self.request.trials)
        self._last = self._deadline + sum(self.limits.values()) + trials
        messages, self._messages = await reader(pipes[0][0])
        output, printed = await reader(pipes[1][0])
        draining = asyncio.create_task(tail.drain(output))
        watching = asyncio.create_task(self._watch())
        try:
            while True:  # to the end of the pipe: an exit record alone may be the demo's own word
                try:
                    line = await messages.readline()
                except ValueError:
                    self._stop("crash", f"a message was longer than {LINE_BYTES >> 20} MiB")
                    continue
                if not line:
                    break
                event = self._heard(line)
                if event is not None:
                    yield event
            self._over = True
            watching.cancel()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(draining, GONE_SECONDS)
            if tail.text:
                yield Output(tail.text)
            if self._code is None:
                self.worker.kill()  # it is gone, and could end nothing of the run
            if not self._settled:
                death = "the worker ended" if self._code is None else self._death(self._code, tail.text)
                self._settle(Ended(False, "crash", death, claim=self._claim))
            self._started = False
            yield replace(self._ended, machine=self.machine, torch=self.torch or self.worker.torch)
        finally:
            watching.cancel()
            draining.cancel()
            if self._started and not self._over:
                self._stop("cancelled", "cancelled")
                with contextlib.suppress(ValueError, asyncio.CancelledError):
                    await until_end(messages)
            if self._giving_up is not None:
                self._giving_up.cancel()
            self._messages.close()
            printed.close()

    async def _watch(self) -> None:
        """Kill the run where it takes too long or too much."""
        while self._giving_up is None:
            begun = time.monotonic()
            if self._code is not None and begun >= self._deadline:
                self._stop("crash", "the demo sent a message that is none: an end that was not the worker's")
            elif begun >= min(self._deadline, self._last):
                limit = f"{self._limit:g} s"
                self._stop("timeout", f"{self._claim or 'the demo'} was stopped after {limit}", limit)
            elif self.memory and self.pid and await asyncio.to_thread(held_memory, self.pid, self.memory) > self.memory:
                limit = f"{self.memory / (1 << 30):.3g} GiB"
                self._stop("memory", f"{self._claim or 'the demo'} took more than {limit}", limit)
            now = time.monotonic()
            rest = max(POLL_SECONDS, (now - begun) / SHARE_OF_TIME)
            await asyncio.sleep(max(0.0, min(rest, self._deadline - now)))

    def _heard(self, line: bytes) -> RunEvent | None:
        """The event of a line; a line that is no message of this run ends it."""
        try:
            message = read_message(line)
            claim = getattr(message, "claim", None)
            if claim is not None and claim not in self.limits:
                raise MalformedMessageError(f"of a claim {claim!r} that was not asked for")
            return self._event(message) if message is not None else None
        except MalformedMessageError as error:
            self._stop("crash", f"the demo sent a message that is none: {printable(str(error))}")
            return None

    def _event(self, message: AnyMessage) -> RunEvent | None:
        """What the app hears of a message."""
        match message:
            case HelloMessage():
                self.pid, self.torch = message.pid, printable(message.torch)
            case MachineMessage():
                self.machine = printable(message.machine)
            case StartedMessage():
                self._claim, self._limit = message.claim, self.limits[message.claim]
                self._deadline = time.monotonic() + self._limit
                return Started(message.claim)
            case ProgressMessage():
                return Progress(message.claim, message.done, message.total)
            case ShownMessage():
                return Shown(message.claim, cleaned(limited(read_evidence(message.item))))
            case CheckedMessage():
                return Checked(message.claim, cleaned(read_check(message.check)))
            case SkippedMessage():
                return Skipped(message.claim, printable(message.why))
            case FinishedMessage():
                if not self._settled:
                    self._ended = replace(self._ended, ok=self._ended.ok and message.held)
                return Finished(message.claim, message.held, message.seconds, printable(message.error) or None)
            case TryingMessage():
                self._claim, self._limit = message.claim, self.limits[message.claim]
                self._deadline = time.monotonic() + self._limit
            case TriedMessage():
                broken = cleaned(read_check(message.check)) if message.check else None
                state = outcome_state(message.held, message.error, message.skipped)
                return Tried(message.claim, message.number, state, printable(message.error) or None, broken)
            case DrilledMessage():
                return Drilled(printable(message.name), message.seed, cleaned(read_drill(message.drill)))
            case ErrorMessage():
                self._settle(Ended(False, "crash", printable(message.message), claim=self._claim))
                self._deadline = time.monotonic() + GONE_SECONDS  # it leaves by itself
            case DoneMessage():
                self._settle(self._ended)
                self._deadline = time.monotonic() + GONE_SECONDS
            case ExitMessage():
                self._code = message.code
                self._deadline = time.monotonic() + EOF_SECONDS
        return None

    def _death(self, code: int, printed: str) -> str:
        where = f" in {self._claim}" if self._claim else ""
        said = [match.group().strip() for match in LAST_WORDS.finditer(printed)]
        words = f": {said[-1][:200]}" if said else ""
        if code < 0:
            with contextlib.suppress(ValueError):
                return f"the demo was killed by {signal.Signals(-code).name}{where}{words}"
        return f"the demo left with exit code {code}{where}{words}"


def cleaned(item: Any) -> Any:
    """Evidence or a check whose every text a terminal can show."""
    return replace(item, **{name: printable_all(value) for name, value in vars(item).items()})


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
        """It as text that a terminal can show, with a word on how much went before it."""
        text = printable(self.kept.decode(errors="replace").replace("\r\n", "\n"))
        return f"[… {self.lost} bytes left out]\n{text}" if self.lost else text


async def reader(descriptor: int) -> tuple[asyncio.StreamReader, asyncio.ReadTransport]:
    """A stream over the reading end of a pipe."""
    stream = asyncio.StreamReader(limit=LINE_BYTES)
    pipe = os.fdopen(descriptor, "rb", buffering=0)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(stream), pipe
    )
    return stream, transport


async def until_end(messages: asyncio.StreamReader) -> None:
    """Read on until the worker closes the pipe: then nothing of the run is left."""
    while await messages.readline():
        pass
