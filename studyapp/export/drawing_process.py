"""Charts drawn in processes of their own, one a core.

Such a process reads what to draw from a pipe and writes pictures to another. When whoever asked is gone, however it ended,
the pipe is at its end and so is the process: nothing has to watch, and nothing is left.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from threading import Thread

from studyapp.evidence.types import Evidence, from_json, to_json
from studyapp.render import chart_png

LENGTH = 8  # bytes that say how long the picture is that follows


class DrawingProcess:
    """One process, drawing one chart at a time."""

    def __init__(self) -> None:
        package = str(Path(__file__).parents[2])
        path = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path},
            process_group=0,  # ctrl-C is for this process alone
        )

    def draw(self, item: Evidence) -> bytes:
        """The picture of `item`; empty where there is nothing to draw.

        Raises:
            OSError: where the process has ended.
        """
        asked, answered = self._process.stdin, self._process.stdout
        assert asked is not None and answered is not None
        asked.write(json.dumps(to_json(item)).encode() + b"\n")
        asked.flush()
        length = answered.read(LENGTH)
        if len(length) < LENGTH:
            raise ChildProcessError(f"the process that draws charts ended with {self._process.wait()}")
        return answered.read(int.from_bytes(length, "big"))

    def stop(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.communicate()


def draw_all(items: Sequence[Evidence]) -> Iterator[bytes]:
    """The pictures of `items` in their order."""
    processes = [DrawingProcess() for _ in range(min(os.cpu_count() or 1, len(items)))]
    idle: SimpleQueue[DrawingProcess] = SimpleQueue()
    for process in processes:
        idle.put(process)

    def draw(item: Evidence) -> bytes:
        process = idle.get()
        try:
            return process.draw(item)
        finally:
            idle.put(process)

    threads = ThreadPoolExecutor(len(processes))
    try:
        yield from threads.map(draw, items)
    finally:
        threads.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.stop()


def main() -> None:
    """Draw each line of standard input, until it ends or nobody takes the picture."""
    asked: SimpleQueue[bytes] = SimpleQueue()

    def listen() -> None:
        for line in sys.stdin.buffer:
            asked.put(line)
        os._exit(0)  # in the middle of a chart, if need be: nobody waits for it

    Thread(target=listen, daemon=True).start()
    with suppress(BrokenPipeError):
        while True:
            item = from_json(json.loads(asked.get()))
            content = chart_png.picture(item) or b""  # type: ignore[arg-type]
            sys.stdout.buffer.write(len(content).to_bytes(LENGTH, "big") + content)
            sys.stdout.buffer.flush()
    os._exit(0)  # without a last flush, which would fail again


if __name__ == "__main__":
    main()
