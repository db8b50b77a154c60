"""The events of a run, folded to what each claim came to: for the command line, for `verify` and for the interface alike."""

from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from studyapp.errors import DemoError
from studyapp.evidence.exercises import Drill
from studyapp.evidence.types import Check, Evidence, Outcome
from studyapp.i18n import Translations
from studyapp.lab.demo import Demo
from studyapp.lab.protocol import (
    Checked,
    Drilled,
    Ended,
    Finished,
    LabLike,
    Output,
    RunEvent,
    RunStream,
    Shown,
    Skipped,
    Started,
    Tried,
)


@dataclass
class RunFold:
    """What a run has come to so far.

    `outcomes` are the claims that ended or were skipped; `tried` and `drilled` what else was asked for; `ended` is None until
    the run is over.
    """

    outcomes: dict[str, Outcome] = field(default_factory=dict)
    tried: list[Tried] = field(default_factory=list)
    drilled: list[Drilled] = field(default_factory=list)
    output: str = ""
    ended: Ended | None = None
    _open: dict[str, tuple[list[Evidence], list[Check]]] = field(default_factory=dict)

    def take(self, event: RunEvent) -> None:
        """Take the next event."""
        match event:
            case Started():
                self._open[event.claim] = ([], [])
            case Shown():
                self._parts(event.claim)[0].append(event.item)
            case Checked():
                self._parts(event.claim)[1].append(event.check)
            case Skipped():
                self.outcomes[event.claim] = Outcome(event.claim, False, 0.0, skipped=event.why)
            case Finished():
                evidence, checks = self._parts(event.claim)
                del self._open[event.claim]
                self.outcomes[event.claim] = Outcome(
                    event.claim, event.held, event.seconds, tuple(checks), tuple(evidence), event.error or ""
                )
            case Tried():
                self.tried.append(event)
            case Drilled():
                self.drilled.append(event)
            case Output():
                self.output = event.text
            case Ended():
                self.ended = event

    def unfinished(self) -> tuple[Outcome, ...]:
        """The claims that began and did not end, with what they had shown; where the run was stopped, why is their error."""
        stopped = self.ended is not None and self.ended.reason not in ("done", "cancelled")
        error = (self.ended.message or self.ended.reason) if self.ended is not None and stopped else ""
        return tuple(
            Outcome(claim, False, 0.0, tuple(checks), tuple(evidence), error)
            for claim, (evidence, checks) in self._open.items()
        )

    def _parts(self, claim: str) -> tuple[list[Evidence], list[Check]]:
        return self._open.setdefault(claim, ([], []))


async def collect(run: RunStream, each: Callable[[RunEvent], None] | None = None) -> RunFold:
    """Follow a run to its end; `each` hears every event. The run is ended where this is cancelled."""
    fold = RunFold()
    async with aclosing(run):
        async for event in run:
            fold.take(event)
            if each is not None:
                each(event)
    return fold


async def draw_drill(lab: LabLike, demo: Demo, name: str, seed: int, t: Translations) -> Drill:
    """The numeric question that a drill of a demo makes from a seed.

    Raises:
        DemoError: where the demo has no such drill, or it could not make one; why is told by `t`.
    """
    (made,) = await draw_drills(lab, demo, [(name, seed)], t)
    return made


async def draw_drills(lab: LabLike, demo: Demo, drills: Sequence[tuple[str, int]], t: Translations) -> list[Drill]:
    """The same of several, each a name and a seed, in one run."""
    run = await collect(lab.run(demo, (), drills=drills))
    if len(run.drilled) == len(drills):
        return [each.drill for each in run.drilled]
    assert run.ended is not None
    name = drills[len(run.drilled)][0]
    raise DemoError("{target}: {why}", run.ended.message, target=f"{demo.name}.{name}", why=run.ended.why(t))
