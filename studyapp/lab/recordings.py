"""What demos gave when they were last run, kept as files: `<machine>/<topic>/<name>.json`.

Cards show it at once, also where torch or a GPU is missing. Numbers are kept to six digits; a file is rewritten only where the
source or the outcome of a check changed, because raw numbers differ between processors.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date as Date
from pathlib import Path
from typing import Any

from studyapp.bank.refs import ClaimRef, demo_and_claim
from studyapp.errors import DemoError, Message
from studyapp.evidence.types import Check, Evidence, Outcome, from_json, to_json
from studyapp.files import atomic_write
from studyapp.lab.demo import Demo

CPU = "cpu"


@dataclass(frozen=True)
class RecordedClaim:
    """What one claim gave; `skipped` names what the machine lacked."""

    name: str
    held: bool
    seconds: float
    checks: tuple[Check, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    skipped: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    machine: str = CPU
    date: str = ""


@dataclass(frozen=True)
class RecordedDemo:
    """One run of a demo on one machine; `hash` is that of the source it ran."""

    machine: str
    torch: str
    date: str
    seconds: float
    hash: str
    claims: Mapping[str, RecordedClaim] = field(default_factory=dict)

    def stale(self, demo: Demo) -> bool:
        """Whether the source has changed since."""
        return self.hash != demo.hash


def turned(parameters: Mapping[str, Any], defaults: Mapping[str, Any]) -> bool:
    """Whether one of a claim's own parameters is not at its default; those of other claims do not matter."""
    return any(name in defaults and _tuples(value) != _tuples(defaults[name]) for name, value in parameters.items())


def _tuples(value: Any) -> Any:
    return tuple(_tuples(v) for v in value) if isinstance(value, list | tuple) else value


class Recordings:
    """The recorded runs under one folder: those that ship with the demos, or a reader's own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._read: dict[Path, tuple[int, RecordedDemo]] = {}
        self._machines: tuple[int, list[str]] = (-1, [])

    def machines(self) -> list[str]:
        """The machines something was recorded on, the processor first. The folder is read again only once it has changed."""
        try:
            changed = self.folder.stat().st_mtime_ns
            if self._machines[0] != changed:
                found = [p.name for p in self.folder.iterdir() if p.is_dir() and not p.name.startswith(".")]
                self._machines = (changed, sorted(found, key=lambda name: (name != CPU, name)))
        except OSError:
            return []
        return self._machines[1]

    def path(self, demo_name: str, machine: str = CPU) -> Path:
        """Where a demo's run stands."""
        return self.folder / machine / f"{demo_name}.json"

    def get(self, demo_name: str, machine: str = CPU) -> RecordedDemo | None:
        """The recorded run, or None where there is none that can be read. A file is read again only once it has changed."""
        path = self.path(demo_name, machine)
        try:
            changed = path.stat().st_mtime_ns
            known = self._read.get(path)
            if known is None or known[0] != changed:
                known = self._read[path] = (changed, _from_json(json.loads(path.read_text(encoding="utf-8"))))
            return known[1]
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def runs(self, ref: ClaimRef | str, demo: Demo | None = None) -> list[tuple[RecordedDemo, RecordedClaim]]:
        """What each machine recorded of a claim, the best first; with turned parameters recorded counts for nothing.

        One that ran beats one that was skipped, then one of the source of `demo` one of older source, then the processor a
        GPU (the GPU where the claim needs one), then the newer.
        """
        demo_name, claim = demo_and_claim(str(ref))
        declared = next((c for c in demo.claims if c.name == claim), None) if demo else None
        wants_gpu = declared is not None and "cuda" in declared.needs

        def rank(pair: tuple[RecordedDemo, RecordedClaim]) -> tuple[bool, bool, bool]:
            run, recorded = pair
            return bool(recorded.skipped), demo is not None and run.stale(demo), (run.machine == CPU) == wants_gpu

        every = [run for machine in self.machines() if (run := self.get(demo_name, machine)) is not None]
        found = [(run, run.claims[claim]) for run in every if claim in run.claims]
        if declared is not None:
            found = [pair for pair in found if not turned(pair[1].parameters, declared.parameters)]
        return sorted(sorted(found, key=lambda pair: pair[0].date, reverse=True), key=rank)

    def best_run(self, ref: ClaimRef | str, demo: Demo | None = None) -> tuple[RecordedDemo, RecordedClaim] | None:
        """The first of `runs`, None where nothing was recorded."""
        return next(iter(self.runs(ref, demo)), None)

    def best(self, ref: ClaimRef | str, demo: Demo | None = None) -> RecordedClaim | None:
        """The claim of `best_run`."""
        found = self.best_run(ref, demo)
        return found[1] if found else None

    def write(
        self,
        demo: Demo,
        outcomes: Iterable[Outcome],
        *,
        torch: str,
        today: Date,
        machine: str = CPU,
        always: bool = False,
    ) -> bool:
        """Keep a run. True where a file was written: only where source or a check changed, unless `always`.

        Raises:
            DemoError: where the file cannot be written.
        """
        claims = {
            o.claim: RecordedClaim(
                o.claim,
                o.held,
                _digits(o.seconds),
                tuple(_rounded(c) for c in o.checks),
                tuple(_rounded(e) for e in o.evidence),
                o.skipped,
                dict(o.parameters),
                machine,
                today.isoformat(),
            )
            for o in outcomes
        }
        old = self.get(demo.name, machine)
        if old is not None and old.hash == demo.hash:
            claims = {**{n: c for n, c in old.claims.items() if any(n == k.name for k in demo.claims)}, **claims}
        order = {c.name: i for i, c in enumerate(demo.claims)}
        claims = dict(sorted(claims.items(), key=lambda pair: order.get(pair[0], len(order))))
        seconds = _digits(sum(c.seconds for c in claims.values()))
        new = RecordedDemo(machine, torch, today.isoformat(), seconds, demo.hash, claims)
        if old is not None and not always and _essence(old) == _essence(new):
            return False
        path = self.path(demo.name, machine)
        with atomic_write(path, _unwritable(path)) as part:
            part.write_text(_to_json(new), "utf-8")
        return True


def _unwritable(path: Path) -> Callable[[OSError], DemoError]:
    hint = Message("is the folder yours, and is there room?")
    return lambda error: DemoError("{path} cannot be written: {reason}", hint, path=path, reason=error.strerror)


def _essence(run: RecordedDemo) -> Any:
    claims = {
        n: (c.held, c.skipped, [(k.what, k.relation, k.held) for k in c.checks], dict(c.parameters))
        for n, c in run.claims.items()
    }
    return run.hash, claims


def _digits(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, tuple):
        return tuple(_digits(v) for v in value)
    if isinstance(value, Mapping):
        return {k: _digits(v) for k, v in value.items()}
    return value


def _rounded(item: Any) -> Any:
    return replace(item, **{name: _digits(value) for name, value in vars(item).items()})


def _to_json(run: RecordedDemo) -> str:
    """One claim, check and piece of evidence a line, so that a change reads well as a difference."""
    head = {"machine": run.machine, "torch": run.torch, "date": run.date, "seconds": run.seconds, "hash": run.hash}
    lines = [f" {json.dumps(k)}: {json.dumps(v, ensure_ascii=False)}" for k, v in head.items()]
    claims = []
    for claim in run.claims.values():
        rows: dict[str, Any] = {"held": claim.held, "seconds": claim.seconds}
        if claim.skipped:
            rows["skipped"] = claim.skipped
        if claim.parameters:
            rows["parameters"] = dict(claim.parameters)
        body = [f"   {json.dumps(k)}: {json.dumps(v, ensure_ascii=False)}" for k, v in rows.items()]
        for key, items in (("checks", claim.checks), ("evidence", claim.evidence)):
            inner = ",\n".join("    " + json.dumps(to_json(i), ensure_ascii=False, allow_nan=False) for i in items)
            body.append(f'   "{key}": [\n{inner}\n   ]' if inner else f'   "{key}": []')
        claims.append(f"  {json.dumps(claim.name)}: {{\n" + ",\n".join(body) + "\n  }")
    lines.append(' "claims": {\n' + ",\n".join(claims) + "\n }")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _from_json(data: Mapping[str, Any]) -> RecordedDemo:
    claims: dict[str, RecordedClaim] = {}
    for name, c in data["claims"].items():
        checks: list[Any] = [from_json(k) for k in c["checks"]]
        evidence: list[Any] = [from_json(e) for e in c["evidence"]]
        claims[name] = RecordedClaim(
            name,
            c["held"],
            c["seconds"],
            tuple(checks),
            tuple(evidence),
            c.get("skipped", ""),
            c.get("parameters", {}),
            data["machine"],
            data["date"],
        )
    return RecordedDemo(data["machine"], data["torch"], data["date"], data["seconds"], data["hash"], claims)
