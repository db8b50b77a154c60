"""What a statement's support comes to, and the one sign for it: cards, evidence, exports and the command line draw this alone.

✓ is said only of a claim that was recorded as holding from the very source that stands here, or that held here with its
defaults. Whatever was skipped, is stale, broken, could not be run or was never recorded has a sign and a reason of its own.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from studyapp.bank.model import Support, SupportKind
from studyapp.bank.refs import ClaimRef
from studyapp.evidence.types import Outcome, OutcomeState, exception_line
from studyapp.lab.catalog import Catalog
from studyapp.lab.demo import Demo
from studyapp.lab.protocol import Finished
from studyapp.lab.recordings import Recordings, turned

State = Literal["broken", "crashed", "unrecorded", "stale", "skipped", "held", "cited", "unsupported"]
Style = Literal["success", "warning", "error", "muted"]

WORST_FIRST: tuple[State, ...] = ("broken", "crashed", "unrecorded", "stale", "skipped", "held")


@dataclass(frozen=True)
class Sign:
    """How a mark is drawn; each face has its own colour for a style."""

    text: str
    style: Style


HELD: Mapping[SupportKind, Sign] = {"proof": Sign("✓", "success"), "toy": Sign("≈", "warning")}
SIGNS: Mapping[State, Sign] = {
    "broken": Sign("✗", "error"),
    "crashed": Sign("!", "error"),
    "stale": Sign("↻", "warning"),
    "skipped": Sign("◌", "muted"),
    "unrecorded": Sign("?", "muted"),
    "cited": Sign("·", "muted"),
    "unsupported": Sign("–", "muted"),
}
RUN_SIGNS: Mapping[str, Sign] = {
    "held": HELD["proof"],
    "broken": SIGNS["broken"],
    "crashed": SIGNS["crashed"],
    "skipped": SIGNS["skipped"],
    "unrun": SIGNS["unsupported"],
}
"""How a claim came out with a function that a learner wrote: a broken claim is broken, a claim that did not run shows nothing."""


@dataclass(frozen=True)
class Mark:
    """What a statement or a claim comes to.

    `live`: it was seen here in this sitting, every claim of it. `claim` is the one that decided. `reason` is a key of i18n
    under "verdict", with its `values`.
    """

    kind: SupportKind
    state: State
    live: bool = False
    claim: str = ""
    reason: str = ""
    values: Mapping[str, str] = field(default_factory=dict)

    @property
    def sign(self) -> Sign:
        """The sign of a claim that held is that of its kind, twice where it was seen here."""
        if self.state != "held":
            return SIGNS[self.state]
        held = HELD[self.kind]
        return Sign(held.text * 2, held.style) if self.live else held

    @property
    def text(self) -> str:
        """The sign itself."""
        return self.sign.text

    def why(self, words: Callable[..., str]) -> str:
        """A short reason in the language of `words`."""
        return words(f"verdict.{self.reason}", **self.values)


LEGEND = (
    Mark("proof", "held", reason="legend_proof"),
    Mark("proof", "held", live=True, reason="legend_live"),
    Mark("toy", "held", reason="legend_toy"),
    Mark("cite", "cited", reason="legend_cited"),
    Mark("proof", "broken", reason="legend_broken"),
    Mark("proof", "crashed", reason="legend_crashed"),
    Mark("proof", "stale", reason="legend_stale"),
    Mark("proof", "skipped", reason="legend_skipped"),
    Mark("proof", "unrecorded", reason="legend_unrecorded"),
    Mark("none", "unsupported", reason="legend_unsupported"),
)
"""Every sign once, each with its meaning under `why`."""


@dataclass(frozen=True)
class LiveRun:
    """What a claim came to when it ran here with its defaults; `hash` is that of the source as the catalog read it."""

    state: OutcomeState
    hash: str
    what: str = ""


class LiveRuns:
    """The claims that ran in this sitting, by reference."""

    def __init__(self) -> None:
        self._runs: dict[str, LiveRun] = {}

    def note(self, demo: Demo, end: Finished | Outcome, parameters: Mapping[str, Any]) -> bool:
        """Keep how a claim ended; False, and nothing kept, where it was skipped or one of its own parameters was turned."""
        if end.state == "skipped" or turned(parameters, demo.claim(end.claim).parameters):
            return False
        what = exception_line(end.error) if end.error else ""
        self._runs[str(ClaimRef(demo.name, end.claim))] = LiveRun(end.state, demo.hash, what)
        return True

    def get(self, ref: str) -> LiveRun | None:
        """The last run of a claim, None where it did not run here."""
        return self._runs.get(ref)


def verdict(support: Support, catalog: Catalog, recordings: Recordings | None, live: LiveRuns | None = None) -> Mark:
    """What carries a statement, and whether it does: the worst of its claims decides."""
    if support.kind == "cite":
        return Mark("cite", "cited", reason="cited", values={"cites": "; ".join(support.cite)})
    if support.kind == "none":
        return Mark("none", "unsupported", reason="unsupported")
    return worst(claim_verdict(ref, catalog, recordings, live, support.kind) for ref in support.claims)


def worst(marks: Iterable[Mark]) -> Mark:
    """The mark that decides among those of several claims; where all hold, one that was not seen here before one that was."""
    return min(marks, key=lambda mark: (WORST_FIRST.index(mark.state), mark.live))


def claim_verdict(
    ref: str,
    catalog: Catalog,
    recordings: Recordings | None,
    live: LiveRuns | None = None,
    kind: SupportKind = "proof",
) -> Mark:
    """What a claim comes to: what it did here, else the best that was recorded of it."""

    def mark(state: State, reason: str = "", seen: bool = False, **values: str) -> Mark:
        return Mark(kind, state, seen, ref, reason or state, values)

    name = ClaimRef.try_parse(ref)
    demo = catalog.demos.get(name.demo) if name else None
    if name is None or demo is None or all(c.name != name.claim for c in demo.claims):
        return mark("unrecorded", "no_claim", claim=ref)
    ran = live.get(ref) if live else None
    if ran is not None and ran.hash == demo.hash:
        return mark(ran.state, f"{ran.state}_live", seen=True, **({"what": ran.what} if ran.state == "crashed" else {}))
    found = recordings.best_run(name, demo) if recordings else None
    if found is None:
        return mark("unrecorded")
    run, claim = found
    if claim.skipped:
        return mark("skipped", lacking=claim.skipped, machine=run.machine, date=run.date)
    if run.stale(demo):
        return mark("stale", machine=run.machine, date=run.date)
    return mark("held" if claim.held else "broken", machine=run.machine, date=run.date)
