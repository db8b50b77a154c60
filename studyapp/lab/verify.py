"""Run demos and judge them: is every check there, does it hold, and by how much.

Raw numbers differ between processors and are never compared.
"""

import asyncio
import contextlib
import os
import statistics
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from datetime import date as Date
from typing import Any

from studyapp.bank.refs import ClaimRef
from studyapp.evidence.types import Check, Outcome, exception_line
from studyapp.lab.catalog import Catalog
from studyapp.lab.client import LabClient
from studyapp.lab.collect import collect
from studyapp.lab.demo import Demo
from studyapp.lab.protocol import Ended
from studyapp.lab.recordings import Recordings

THIN = 3.0  # standard deviations between seeds that a margin must be wide


@dataclass(frozen=True)
class Verified:
    """How a demo did.

    `problems` make it fail, and `tracebacks` stand behind those that could not run; `warnings` and `thin` margins do not;
    `skipped` says since when and where.
    """

    demo: str
    outcomes: tuple[Outcome, ...] = ()
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    thin: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    recorded: bool = False
    tracebacks: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every claim that could run is there and holds."""
        return not self.problems

    @property
    def seconds(self) -> float:
        """What its claims took."""
        return sum(o.seconds for o in self.outcomes)

    def as_dict(self) -> dict[str, Any]:
        """Itself for JSON."""
        return {
            "demo": self.demo,
            "ok": self.ok,
            "seconds": round(self.seconds, 4),
            "problems": list(self.problems),
            "warnings": list(self.warnings),
            "thin": list(self.thin),
            "skipped": list(self.skipped),
            "recorded": self.recorded,
            "claims": [asdict(o) | {"evidence": len(o.evidence), "state": o.state} for o in self.outcomes],
        }

    def lines(self) -> list[str]:
        """Itself for a person."""
        held = sum(o.held for o in self.outcomes)
        ran = sum(not o.skipped for o in self.outcomes)
        kept = ", recorded" if self.recorded else ""
        head = f"{'✓' if self.ok else '✗'} {self.demo}: {held} of {ran} claims hold ({self.seconds:.2f} s{kept})"
        return [
            head,
            *(f"  ✗ {p}" for p in self.problems),
            *(f"      {line}" for traceback in self.tracebacks for line in traceback.rstrip().splitlines()),
            *(f"  ! {w}" for w in self.warnings),
            *(f"  ~ {t}" for t in self.thin),
            *(f"  – {s}" for s in self.skipped),
        ]


@dataclass
class DemoRuns:
    """What the runs of one demo gave, seed by seed."""

    demo: Demo
    by_seed: dict[int, list[Outcome]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    tracebacks: list[str] = field(default_factory=list)
    machine: str = "cpu"
    torch: str = ""

    async def add(self, lab: LabClient, claims: Sequence[str], seeds: int, timeout: float | None) -> None:
        """Run these claims with every seed."""
        for seed in range(seeds) if claims else ():
            outcomes, ended = await run_once(lab, self.demo, claims, seed=seed, timeout=timeout)
            self.by_seed.setdefault(seed, []).extend(outcomes)
            self.torch = ended.torch or self.torch
            self.machine = ended.machine if ended.machine != "cpu" else self.machine
            if ended.reason != "done":
                self.problems.append(f"{ended.reason} with seed {seed}: {exception_line(ended.message) or 'no word'}")
                self.tracebacks += [ended.message] if "\n" in ended.message.strip() else []
                return


async def run_once(
    lab: LabClient,
    demo: Demo,
    claims: Collection[str] | None = None,
    *,
    seed: int = 0,
    timeout: float | None = None,
) -> tuple[list[Outcome], Ended]:
    """Run a demo to its end, and give what each claim came to that was not cut short."""
    fold = await collect(lab.run(demo, claims, seed=seed, timeout=timeout))
    return list(fold.outcomes.values()), fold.ended or Ended(False, "crash", "the run said nothing")


async def verify(
    lab: LabClient,
    catalog: Catalog,
    names: Iterable[str],
    seeds: int = 1,
    recordings: Recordings | None = None,
    record: bool = False,
    *,
    jobs: int | None = None,
    timeout: float | None = None,
    today: Date | None = None,
) -> AsyncIterator[Verified]:
    """Run each demo and judge it, as many at once as there are cores; claims that are timed run alone, after all others.

    Each claim may take the seconds that it declares, or `timeout` where that is given.
    With more than one seed, every seed must hold. With `record`, a demo that holds is written to `recordings`.
    """
    every = [DemoRuns(catalog.demo(name)) for name in dict.fromkeys(names)]
    day = today or datetime.now(UTC).date()
    room = asyncio.Semaphore(jobs or os.cpu_count() or 1)

    async def untimed(runs: DemoRuns) -> DemoRuns:
        async with room:
            await runs.add(lab, [c.name for c in runs.demo.claims if not c.timed], seeds, timeout)
        return runs

    tasks = [asyncio.create_task(untimed(runs)) for runs in every]
    timed: list[DemoRuns] = []
    try:
        for task in asyncio.as_completed(tasks):
            runs = await task
            if any(c.timed for c in runs.demo.claims):
                timed.append(runs)
            else:
                yield judge(runs, recordings, record, day)
        for runs in timed:
            await runs.add(lab, [c.name for c in runs.demo.claims if c.timed], seeds, timeout)
            yield judge(runs, recordings, record, day)
    finally:
        for one in tasks:
            one.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def judge(runs: DemoRuns, recordings: Recordings | None, record: bool, today: Date) -> Verified:
    """What the runs of a demo come to, beside what was recorded of it."""
    demo, problems = runs.demo, list(runs.problems)
    outcomes = {o.claim: o for o in runs.by_seed.get(0, [])}
    if not demo.claims:
        problems.append("it has no claim")
    problems += [f"{c.name}: did not run" for c in demo.claims if c.name not in outcomes and not runs.problems]
    for seed, found in runs.by_seed.items():
        for outcome in found:
            problems += [f"{outcome.claim}: {why}{f' (seed {seed})' if seed else ''}" for why in failures(outcome)]
    warnings: list[str] = []
    skipped: list[str] = []
    old = recordings.get(demo.name, runs.machine) if recordings else None
    for name, outcome in outcomes.items():
        if outcome.skipped:
            said, warning = not_run(demo, outcome, recordings)
            skipped.append(said)
            warnings += warning
        elif old is not None and not old.stale(demo) and name in old.claims:
            have = {c.what for c in outcome.checks}
            gone = [c.what for c in old.claims[name].checks if c.what not in have]
            problems += [f"{name}: the check of «{what}», recorded {old.date}, is not there" for what in gone]
    wrote = False
    if record and recordings is not None and not problems:
        wrote = recordings.write(demo, outcomes.values(), torch=runs.torch, today=today, machine=runs.machine)
    if old is not None and old.stale(demo) and not wrote:
        warnings.insert(0, f"changed since it was recorded on {old.machine}, {old.date}")
    order = [outcomes[c.name] for c in demo.claims if c.name in outcomes]
    tracebacks = [*runs.tracebacks, *(o.error for o in order if "\n" in o.error.strip())]
    return Verified(
        demo.name, tuple(order), tuple(problems), tuple(warnings), tuple(thin(runs)), tuple(skipped), wrote, tuple(tracebacks)
    )


def failures(outcome: Outcome) -> list[str]:
    """Why a claim does not hold; nothing where it does or was skipped."""
    if outcome.held or outcome.skipped:
        return []
    if outcome.state == "crashed":
        return [f"could not run: {exception_line(outcome.error)}"]
    return [c.sentence() for c in outcome.checks if not c.held]


def not_run(demo: Demo, outcome: Outcome, recordings: Recordings | None) -> tuple[str, list[str]]:
    """What to say of a claim that this machine cannot run, and a warning where its recording is of older source."""
    found = recordings.best_run(ClaimRef(demo.name, outcome.claim), demo) if recordings else None
    if found is None or found[1].skipped:
        return f"{outcome.claim}: skipped ({outcome.skipped}), not recorded yet", []
    run, _ = found
    said = f"{outcome.claim}: skipped ({outcome.skipped}), recorded {run.date} on {run.machine}"
    stale = [f"{outcome.claim}: changed since it was recorded on {run.machine}, {run.date}"] if run.stale(demo) else []
    return said, stale


def thin(runs: DemoRuns) -> list[str]:
    """The checks whose margin is thin against its spread over the seeds."""
    margins: dict[tuple[str, int], list[tuple[float, Check]]] = {}
    for found in runs.by_seed.values():
        for outcome in found:
            for place, check in enumerate(outcome.checks):
                with contextlib.suppress(TypeError, ValueError):
                    margins.setdefault((outcome.claim, place), []).append((float(check.margin or 0), check))
    said = []
    for (claim, _), seen in margins.items():
        values = [margin for margin, _ in seen]
        spread = statistics.pstdev(values) if all(abs(v) < float("inf") for v in values) else 0.0
        if spread and statistics.fmean(values) < THIN * spread:
            least, check = min(seen, key=lambda pair: pair[0])
            said.append(
                f"{claim}: «{check.what}» has margins of {least:.3g} to {max(values):.3g} over {len(values)} seeds"
            )
    return said
