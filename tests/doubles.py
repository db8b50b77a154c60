"""Stand-ins that several rooms' tests share. mypy holds them to the protocols that they stand in for."""

import asyncio
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from typing import Any

from studyapp.evidence.types import Check, Table
from studyapp.lab import protocol as e
from studyapp.lab.demo import Demo

TABLE = Table(("d", "Var"), ((16, 15.8), (64, 64.2)))
CHECK = Check("Var/d", "equals", 1.01, 1, 0.2, 0.19, True, ("d", 16))
DRILL = {
    "en": "How large is [d]?", "zh": "[d] 多大？", "unit": "GiB", "within": 0.01, "proved_by": "variance_is_dk",
    "steps": (("so much [x]", "这么多 [x]"),),
}  # fmt: skip


class FakeLab:
    """A lab that plays events back, and remembers what it was asked.

    Attributes:
        replaced: for each run the functions that had another source.
        hang: a claim begins and does not end.
        held: whether claims hold.
        check: what each claim checks.
        error: the traceback with which every claim ends.
        ends: how a run ends after its first evidence, or before a drill is made; without it, it ends well.
    """

    def __init__(self) -> None:
        self.started = self.closed = self.cancelled = False
        self.ready = True
        self.why = ""
        self.asked: list[tuple[str, tuple[str, ...], dict[str, Any]]] = []
        self.replaced: list[dict[str, str]] = []
        self.hang = False
        self.held = True
        self.check = CHECK
        self.error: str | None = None
        self.ends: e.Ended | None = None

    async def start(self) -> bool:
        """Start."""
        self.started = True
        return True

    async def close(self) -> None:
        """Close."""
        self.closed = True

    def kill(self) -> None:
        """Kill."""
        self.closed = True

    async def run(
        self,
        demo: Demo,
        claims: Collection[str] | None = None,
        parameters: Mapping[str, Any] | None = None,
        *,
        seed: int = 0,
        replace: Mapping[str, str] | None = None,
        drills: Sequence[tuple[str, int]] = (),
    ) -> AsyncGenerator[e.RunEvent, None]:
        """Play back."""
        if drills:
            for name, number in drills if self.ends is None else ():
                yield e.Drilled(name, number, e.read_drill({**DRILL, "answer": 2.0 + number % 3}))
            yield self.ends or e.Ended(True, "done")
            return
        chosen = tuple(claims or (c.name for c in demo.claims))
        self.asked.append((demo.name, chosen, dict(parameters or {})))
        self.replaced.append(dict(replace or {}))
        try:
            for claim in chosen:
                yield e.Started(claim)
                if self.ends:
                    yield e.Shown(claim, TABLE)
                    yield self.ends
                    return
                yield e.Progress(claim, 1, 2)
                if self.hang:
                    await asyncio.sleep(60)
                yield e.Shown(claim, TABLE)
                yield e.Checked(claim, self.check)
                yield e.Finished(claim, self.held and not self.error, 0.02, self.error)
            yield e.Output("printed [/x]")
            yield e.Ended(self.held, "done")
        except (asyncio.CancelledError, GeneratorExit):
            self.cancelled = True
            raise


BOUND: e.LabLike = FakeLab()  # mypy refuses this line where the double is no longer like the lab
