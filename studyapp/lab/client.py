"""The app's side of the lab: start the worker, and begin runs in it."""

import asyncio
import itertools
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from studyapp.lab.demo import Demo
from studyapp.lab.demo_run import DemoRun
from studyapp.lab.processes import begun_with, family, kill_all
from studyapp.lab.protocol import GONE_SECONDS, Request, StartRun, WorkerStarted
from studyapp.lab.trials import Trial

START_SECONDS = 60.0
MARK = "STUDYAPP_WORKER"
"""In the environment of a worker and all that comes of it."""
MEMORY_BYTES = 2 << 30
DATA_BYTES = 16 << 30
"""What a run may map, held or not; one that needs CUDA or Triton, which map far more than they hold, may map what it likes."""


class LabClient:
    """A worker process and the runs in it. Start it after the first frame; a run starts it where it is not yet."""

    def __init__(self, python: str = sys.executable) -> None:
        self.python = python
        self.ready = False
        self.torch = ""
        self.why = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._link: socket.socket | None = None
        self._stderr: Any = None
        self._mark = ""
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
        self._mark = f"{MARK}={secrets.token_hex(8)}"
        path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
        environment = os.environ | {"PYTHONPATH": path, MARK: self._mark.partition("=")[2]}
        try:
            self._process = subprocess.Popen(
                [self.python, "-P", "-m", "studyapp.lab.fork_server", str(theirs.fileno()), str(os.getpid())],
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
        try:
            started = msgspec.json.decode(hello, type=WorkerStarted)
        except msgspec.DecodeError:
            started = WorkerStarted(False, why=self._last_words())
        self.ready, self.torch, self.why = started.ready, started.torch, started.why
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

    def kill(self) -> None:
        """End the worker and all below it at once, from any thread; its runs end with it.

        Where it is gone already, what it left behind has other parents, and is known by its environment alone.
        """
        if self._process is None:
            return
        self.ready = False  # it may take a while to be gone: the next run begins with a worker of its own
        if self._process.poll() is None:
            kill_all(reversed(family(self._process.pid)))
        else:
            kill_all(begun_with(self._mark))

    async def _stop(self) -> None:
        patience = GONE_SECONDS if self.ready else 0.0  # one that is still importing torch has no run to end, and hears nothing
        self.ready = False
        if self._link is not None:
            self._link.close()
            self._link = None
        process, self._process = self._process, None
        if process is not None:
            until = time.monotonic() + patience
            while process.poll() is None and time.monotonic() < until:
                await asyncio.sleep(0.01)
            if process.poll() is None:
                process.kill()
                process.wait()
        if self._stderr is not None:
            self._stderr.close()
            self._stderr = None

    async def __aenter__(self) -> "LabClient":
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
        timeout: float | None = None,
        memory: int = MEMORY_BYTES,
        trials: Sequence[Trial] = (),
        drills: Sequence[tuple[str, int]] = (),
        replace: Mapping[str, str] | None = None,
    ) -> DemoRun:
        """A run of a demo's claims (all, or those named), as an async iterator of events; the last is Ended.

        Each claim may take the seconds that it declares (`@slow`), or `timeout` where that is given; all processes of the
        run may together hold `memory` bytes.

        Args:
            trials: claims to run once more with other parameters, after the others; each gives a Tried.
            drills: (name, seed) of drills to make, before the claims; each gives a Drilled.
            replace: functions of the demo that are to have another source, by name: what a learner wrote.

        Raises:
            DemoError: where a claim, drill, exercise or parameter is unknown, or a parameter is of another type or out of range.
        """
        chosen = demo.claims if claims is None else [demo.claim(c) for c in claims]
        further = [demo.claim(t.claim) for t in trials]
        request = StartRun(
            0,
            str(demo.path.resolve()),
            None if claims is None else tuple(c.name for c in chosen),
            demo.settle(parameters or {}, claims=[c.name for c in chosen]),
            seed,
            0 if any(c.needs for c in (*chosen, *further)) else DATA_BYTES,
            tuple((c.name, dict(t.parameters)) for c, t in zip(further, trials, strict=True)),
            tuple((demo.drill(name).name, number) for name, number in drills),
            {demo.exercise(name).name: source for name, source in (replace or {}).items()},
        )
        return DemoRun(self, request, {c.name: timeout or c.limit for c in (*chosen, *further)}, memory)

    def send(self, request: Request, descriptors: Collection[int] = ()) -> None:
        """Send one request to the worker.

        Raises:
            OSError: where the worker is gone.
        """
        if self._link is None:
            raise BrokenPipeError("the worker is gone")
        data = msgspec.json.encode(request) + b"\n"
        if descriptors:
            sent = socket.send_fds(self._link, [data], list(descriptors))
            data = data[sent:]
        if data:
            self._link.sendall(data)

    def next_run(self) -> int:
        """A number for a run."""
        return next(self._runs)
