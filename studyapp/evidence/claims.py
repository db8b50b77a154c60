"""Find a demo's claims and run one: the one way, for the worker and for a demo run as a script."""

import importlib.util
import inspect
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, TypeVar

from studyapp.evidence.api import CannotJudgeError, Listener, listening
from studyapp.evidence.types import Check, Evidence, Outcome

F = TypeVar("F", bound=Callable[..., Any])
PREFIX = "claim_"
CLAIM_SECONDS = 30.0
MOST_SECONDS = 600.0


def timed(claim: F) -> F:
    """Mark a claim that compares times: it runs alone, after the others, with all the machine's threads."""
    claim.__dict__["timed"] = True
    return claim


def slow(seconds: float) -> Callable[[F], F]:
    """Mark a claim that may take longer than CLAIM_SECONDS: the lab stops it only after `seconds`.

    Raises:
        ValueError: where that is not between 0 and MOST_SECONDS.
    """
    if not 0 < seconds <= MOST_SECONDS:
        raise ValueError(f"a claim may take up to {MOST_SECONDS:g} s, not {seconds}")

    def mark(claim: F) -> F:
        claim.__dict__["slow"] = float(seconds)
        return claim

    return mark


def needs(*what: str) -> Callable[[F], F]:
    """Mark what a claim cannot do without: "cuda", a card; "triton", the package (`pip install 'studyapp[triton]'`)."""

    def mark(claim: F) -> F:
        claim.__dict__["needs"] = what
        return claim

    return mark


def breaks(*, en: str, zh: str, **values: Any) -> Callable[[F], F]:
    """Name parameters with which a claim does not hold, a known wrong way or the place where its idea ends, and say why.

    `studyapp verify` runs each and demands that a check breaks. May be stacked; one that several claims share is given a
    name: `UNDIVIDED = breaks(power=0.0, …)`, then `@UNDIVIDED`.

    Raises:
        ValueError: where no parameter is named, or a language says nothing.
    """
    if not values or not en.strip() or not zh.strip():
        raise ValueError("breaks names a parameter with its value, and says in en and zh what happens")

    def mark(claim: F) -> F:
        claim.__dict__["breaks"] = (dict(values), *claim.__dict__.get("breaks", ()))
        return claim

    return mark


def guess(check: str, *, en: str, zh: str, unit: str = "") -> Callable[[F], F]:
    """Mark a number as worth guessing before the evidence is seen: what the claim's check of that name comes to, above nought.

    `en` and `zh` ask for it, in `unit` where it has one, without telling it.

    Raises:
        ValueError: where no check is named, or a language asks nothing.
    """
    if not check.strip() or not en.strip() or not zh.strip():
        raise ValueError("guess names a check, and asks for its number in en and zh")

    def mark(claim: F) -> F:
        claim.__dict__["guess"] = (check, unit)
        return claim

    return mark


def missing(what: tuple[str, ...]) -> tuple[str, ...]:
    """Those of `what` that this machine lacks."""
    import torch

    have = {"cuda": torch.cuda.is_available, "triton": lambda: importlib.util.find_spec("triton") is not None}
    return tuple(name for name in what if name not in have or not have[name]())


def find_claims(module: ModuleType) -> dict[str, Callable[..., Any]]:
    """The claims of a demo by name without prefix, in the order of the file; those that are timed come last."""
    found = [
        (n.removeprefix(PREFIX), f) for n, f in vars(module).items() if n.startswith(PREFIX) and inspect.isfunction(f)
    ]
    found.sort(key=lambda pair: (getattr(pair[1], "timed", False), pair[1].__code__.co_firstlineno))
    return dict(found)


def parameters(claim: Callable[..., Any]) -> dict[str, Any]:
    """A claim's parameters with their defaults."""
    return {name: p.default for name, p in inspect.signature(claim).parameters.items()}


@dataclass
class Recorder:
    """A Listener that keeps what it hears and passes it on to another where there is one."""

    onward: Listener | None = None
    checks: list[Check] = field(default_factory=list)
    evidence: list[Evidence] = field(default_factory=list)

    def shown(self, item: Evidence) -> None:
        self.evidence.append(item)
        if self.onward:
            self.onward.shown(item)

    def checked(self, check: Check) -> None:
        self.checks.append(check)
        if self.onward:
            self.onward.checked(check)

    def progressed(self, done: int, total: int) -> None:
        if self.onward:
            self.onward.progressed(done, total)


def seed_torch(seed: int) -> None:
    """torch.manual_seed, which on a machine without an accelerator writes down its callers once for each kind there is not:
    milliseconds, before every claim and every wrong way of one."""
    import torch

    if torch.accelerator.is_available():
        torch.manual_seed(seed)
    else:
        torch.default_generator.manual_seed(seed)


def run_claim(
    name: str,
    claim: Callable[..., Any],
    given: Mapping[str, Any] | None = None,
    *,
    seed: int = 0,
    listener: Listener | None = None,
) -> Outcome:
    """Run one claim with torch seeded and, unless it is timed, on one thread.

    A claim holds when it said at least one expectation, every one held, and nothing was raised. One that raised could not
    be judged, which is not the same as one whose check broke (`Outcome.state`).
    Parameters in `given` that the claim does not have are left to other claims of the file.
    """
    import torch

    used = {k: v for k, v in (given or {}).items() if k in parameters(claim)}
    lacking = missing(getattr(claim, "needs", ()))
    if lacking:
        return Outcome(name, False, 0.0, skipped=", ".join(lacking), parameters=used)
    seed_torch(seed)
    threads = torch.get_num_threads()
    if not getattr(claim, "timed", False):
        torch.set_num_threads(1)
    recorder, error, start = Recorder(listener), "", time.perf_counter()
    try:
        with listening(recorder):
            claim(**used)
    except CannotJudgeError as nothing:
        if all(c.held for c in recorder.checks):  # else a check broke before: the claim does not hold, and that is said
            error = str(nothing)
    except (Exception, SystemExit):
        error = traceback.format_exc(limit=-4)
    finally:
        torch.set_num_threads(threads)
    seconds = time.perf_counter() - start
    if not error and not recorder.checks:
        error = "the claim expected nothing, so it shows nothing: call expect(…) in it"
    held = not error and all(c.held for c in recorder.checks)
    return Outcome(name, held, seconds, tuple(recorder.checks), tuple(recorder.evidence), error, parameters=used)
