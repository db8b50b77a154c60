"""What a run says, in the order it happens. Frozen values; the last of every run is Ended."""

from dataclasses import dataclass
from typing import Literal

from studyapp.evidence.types import Check, Evidence, OutcomeState, outcome_state

Reason = Literal["done", "cancelled", "timeout", "memory", "crash", "unavailable"]


@dataclass(frozen=True)
class Started:
    """A claim begins."""

    claim: str


@dataclass(frozen=True)
class Progress:
    """A claim's loop moved; `total` is 0 where unknown."""

    claim: str
    done: int
    total: int


@dataclass(frozen=True)
class Shown:
    """A claim showed evidence."""

    claim: str
    item: Evidence


@dataclass(frozen=True)
class Checked:
    """A claim judged one expectation."""

    claim: str
    check: Check


@dataclass(frozen=True)
class Finished:
    """A claim ended; `error` is a traceback where it raised."""

    claim: str
    held: bool
    seconds: float
    error: str | None = None

    @property
    def state(self) -> OutcomeState:
        """Held, broken, or crashed: it could not be run to its end."""
        return outcome_state(self.held, self.error)


@dataclass(frozen=True)
class Skipped:
    """A claim was not run because the machine lacks `why`."""

    claim: str
    why: str


@dataclass(frozen=True)
class Output:
    """The tail of what the demo printed."""

    text: str


@dataclass(frozen=True)
class Ended:
    """The run is over and no process of it is left. `ok`: every claim that ran held, and nothing stopped the run.

    `machine` is "cpu" or the card's slug; `torch` the version that ran.
    """

    ok: bool
    reason: Reason
    message: str = ""
    machine: str = "cpu"
    torch: str = ""


RunEvent = Started | Progress | Shown | Checked | Finished | Skipped | Output | Ended
