"""The runs of this sitting, claim by claim: a run's events folded as they come, the former run kept beside the new."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from studyapp.bank.refs import ClaimRef, demo_and_claim
from studyapp.evidence.types import Check, Evidence, exception_line, outcome_state
from studyapp.lab.demo import Demo
from studyapp.lab.protocol import Checked, Ended, Finished, Progress, RunEvent, Shown, Skipped, Started

State = Literal["running", "held", "broken", "crashed", "skipped", "stopped"]
KEPT = 4


@dataclass(frozen=True)
class ClaimRun:
    """One run of a claim as far as it has come.

    `parameters` are those of the claim's own that differ from its defaults. `done` of `total` is how far its loop is, `total`
    0 where that is unknown. `problem` is the exception that ended it, or what the machine lacks.
    """

    state: State = "running"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    evidence: tuple[Evidence, ...] = ()
    checks: tuple[Check, ...] = ()
    seconds: float = 0.0
    done: int = 0
    total: int = 0
    problem: str = ""

    @property
    def judged(self) -> bool:
        """Whether it ran to a verdict."""
        return self.state in ("held", "broken")


class RunHistory:
    """The newest runs of each claim reference ("topic/demo.claim"), the last one newest.

    Attributes:
        turned: the parameters with which each demo was last run, where any was turned.
    """

    def __init__(self) -> None:
        self._runs: dict[str, list[ClaimRun]] = {}
        self.turned: dict[str, dict[str, Any]] = {}

    def of(self, ref: str) -> tuple[ClaimRun, ...]:
        """The runs of a claim, newest first."""
        return tuple(reversed(self._runs.get(ref, ())))

    def clear(self) -> None:
        """Forget every run."""
        self._runs.clear()
        self.turned.clear()

    def take(self, demo: Demo, event: RunEvent, parameters: Mapping[str, Any]) -> str:
        """Fold an event of a run of `demo` in; the claim it is about, or "" where it is about none."""
        name = getattr(event, "claim", "")
        ref = str(ClaimRef(demo.name, name)) if name else ""
        match event:
            case Started():
                own = next((c.parameters for c in demo.claims if c.name == name), {})
                turned = {k: v for k, v in parameters.items() if k in own and own[k] != v}
                self._runs[ref] = [*self._runs.get(ref, ()), ClaimRun(parameters=turned)][-KEPT:]
            case Progress():
                self._change(ref, done=event.done, total=event.total)
            case Shown():
                self._change(ref, evidence=(*self.of(ref)[0].evidence, event.item))
            case Checked():
                self._change(ref, checks=(*self.of(ref)[0].checks, event.check))
            case Finished():
                problem = exception_line(event.error) if event.error else ""
                self._change(ref, state=outcome_state(event.held, event.error), seconds=event.seconds, problem=problem)
            case Skipped():
                self._runs[ref] = [*self._runs.get(ref, ()), ClaimRun("skipped", problem=event.why)][-KEPT:]
            case Ended():
                self.end(demo.name)
        return ref

    def end(self, demo_name: str = "", problem: str = "") -> None:
        """Nothing of a demo, or of any, runs any more: what was cut short could not run where there was a `problem`, else was stopped."""
        for ref, runs in self._runs.items():
            if runs[-1].state == "running" and (not demo_name or demo_and_claim(ref)[0] == demo_name):
                self._change(ref, state="crashed" if problem else "stopped", problem=problem)

    def _change(self, ref: str, **changes: Any) -> None:
        if runs := self._runs.get(ref):
            runs[-1] = replace(runs[-1], **changes)
