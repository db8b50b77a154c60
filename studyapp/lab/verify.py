"""Run demos and judge them: is every check there, does it hold, and by how much.

Raw numbers differ between processors and are never compared.
"""

import asyncio
import contextlib
import math
import os
import statistics
from collections.abc import AsyncIterator, Iterable, Sequence
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
from studyapp.lab.protocol import Ended, Tried
from studyapp.lab.recordings import Recordings
from studyapp.lab.trials import Trial, draws, wrong_ways

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
    refuted: int = 0
    wrong_ways: int = 0
    draws: int = 0

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
            "refuted": self.refuted,
            "wrong_ways": self.wrong_ways,
            "draws": self.draws,
            "claims": [asdict(o) | {"evidence": len(o.evidence), "state": o.state} for o in self.outcomes],
        }

    def lines(self) -> list[str]:
        """Itself for a person."""
        held = sum(o.held for o in self.outcomes)
        ran = sum(not o.skipped for o in self.outcomes)
        kept = ", recorded" if self.recorded else ""
        wrong = f", {self.refuted} of {self.wrong_ways} wrong ways refuted" if self.wrong_ways else ""
        drawn = f", {self.draws} draws" if self.draws else ""
        counts = f"{held} of {ran} claims hold{wrong}{drawn}"
        head = f"{'✓' if self.ok else '✗'} {self.demo}: {counts} ({self.seconds:.2f} s{kept})"
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
    tried: list[tuple[Trial, Tried]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    tracebacks: list[str] = field(default_factory=list)
    machine: str = "cpu"
    torch: str = ""

    async def add(
        self, lab: LabClient, claims: Sequence[str], trials: Sequence[Trial], seeds: int, timeout: float | None
    ) -> None:
        """Run these claims, and then the trials, with every seed."""
        for seed in range(seeds) if claims else ():
            fold = await collect(lab.run(self.demo, claims, seed=seed, timeout=timeout, trials=trials))
            ended = fold.ended or Ended(False, "crash", "the run said nothing")
            self.by_seed.setdefault(seed, []).extend(fold.outcomes.values())
            self.tried += [(trials[t.number], t) for t in fold.tried]
            self.torch = ended.torch or self.torch
            self.machine = ended.machine if ended.machine != "cpu" else self.machine
            if ended.reason != "done":
                self.problems.append(f"{ended.reason} with seed {seed}: {exception_line(ended.message) or 'no word'}")
                self.tracebacks += [ended.message] if "\n" in ended.message.strip() else []
                return


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
    drawn: int = 0,
) -> AsyncIterator[Verified]:
    """Run each demo and judge it, as many at once as there are cores; claims that are timed run alone, after all others.

    Those that took longest when they were recorded come first, so that no core waits for one at the end.

    Each claim may take the seconds that it declares, or `timeout` where that is given.
    With more than one seed, every seed must hold, and the wrong ways break with each. With `record`, a demo that holds is
    written to `recordings`. With `drawn`, each claim runs that often with parameters drawn from the demo's ranges.
    """
    every = longest_first([DemoRuns(catalog.demo(name)) for name in dict.fromkeys(names)], recordings)
    day = today or datetime.now(UTC).date()
    room = asyncio.Semaphore(jobs or os.cpu_count() or 1)

    async def run(runs: DemoRuns, timed: bool) -> None:
        claims = [c.name for c in runs.demo.claims if c.timed is timed]
        trials = [*wrong_ways(runs.demo, timed=timed), *(t for t in draws(runs.demo, drawn) if drawn and t.claim in claims)]
        await runs.add(lab, claims, trials, seeds, timeout)

    async def untimed(runs: DemoRuns) -> DemoRuns:
        async with room:
            await run(runs, timed=False)
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
            await run(runs, timed=True)
            yield judge(runs, recordings, record, day)
    finally:
        for one in tasks:
            one.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def longest_first(every: list[DemoRuns], recordings: Recordings | None) -> list[DemoRuns]:
    """In the order of what they took when they were recorded, those never recorded first; and each source is hashed here."""

    def took(runs: DemoRuns) -> float:
        old = recordings.get(runs.demo.name) if recordings else None
        return old.seconds if old is not None and not old.stale(runs.demo) else math.inf

    return sorted(every, key=took, reverse=True)


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
    wrong = [(trial, tried) for trial, tried in runs.tried if trial.expect == "broken" and tried.state != "skipped"]
    problems += dict.fromkeys(p for trial, tried in runs.tried if (p := misled(trial, tried)))
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
    ways = {(trial.claim, trial.number) for trial, _ in wrong}
    standing = {(trial.claim, trial.number) for trial, tried in wrong if tried.state != "broken"}
    return Verified(
        demo.name,
        tuple(order),
        tuple(problems),
        tuple(warnings),
        tuple(thin(runs)),
        tuple(skipped),
        wrote,
        tuple(tracebacks),
        refuted=len(ways - standing),
        wrong_ways=len(ways),
        draws=len(runs.tried) - len(wrong),
    )


def misled(trial: Trial, tried: Tried) -> str:
    """Why a trial did not come out as it must; nothing where it did."""
    where = f"{trial.claim} with {trial.typed()}"
    if tried.state == "crashed":
        return f"{where} could not run: {exception_line(tried.error or '')}"
    if trial.expect == "broken" and tried.state == "held":
        return f"{where} still holds, though it is named as a wrong way"
    if trial.expect == "held" and tried.state == "broken":
        return f"{where} is in range and does not hold: {tried.check.sentence() if tried.check else ''}"
    return ""


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
