"""Demos are judged by whether every check is there and holds."""

import re
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from studyapp.evidence.types import Check, Outcome
from studyapp.lab.catalog import Catalog, LazyDemos
from studyapp.lab.client import LabClient
from studyapp.lab.demo import Demo
from studyapp.lab.recordings import Recordings
from studyapp.lab.verify import DemoRuns, Verified, longest_first, verify

pytestmark = pytest.mark.asyncio(loop_scope="module")
DAY = date(2026, 11, 24)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lab() -> AsyncIterator[LabClient]:
    async with LabClient() as made:
        yield made


def claim(body: str, name: str = "one", mark: str = "") -> str:
    return f'{mark}def claim_{name}():\n    """It is so.\n\n    如此。"""\n    {body}\n\n\n'


async def judged(lab: LabClient, *demos: Demo, **options: Any) -> list[Verified]:
    catalog = Catalog(LazyDemos({d.name: d.path for d in demos}))
    return [r async for r in verify(lab, catalog, catalog.demos, today=DAY, **options)]


async def test_what_holds_is_recorded_once(lab: LabClient, write: Callable[..., Demo], tmp_path: Path) -> None:
    """A demo that holds passes and is recorded; a second time there is nothing new to record."""
    demo, kept = write(claim("expect('r', torch.rand(1), at_least=0)")), Recordings(tmp_path / "recorded")
    (first,) = await judged(lab, demo, recordings=kept, record=True)
    (again,) = await judged(lab, demo, recordings=kept, record=True)
    assert (first.ok, first.recorded, again.recorded) == (True, True, False)
    run = kept.get(demo.name)
    assert run is not None
    assert (run.date, run.hash, list(run.claims)) == ("2026-11-24", demo.hash, ["one"])
    assert first.as_dict()["ok"] is True
    assert "1 of 1 claims hold" in first.lines()[0]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("expect('n', 2, equals=1)", "one: n is 2, not 1"),
        ("1 / 0", "one: could not run: ZeroDivisionError: division by zero"),
        ("os._exit(7)", "crash with seed 0"),
        ("time.sleep(60)", "timeout with seed 0"),
        ("expect('r', torch.initial_seed(), equals=0)", "(seed 1)"),
    ],
)
async def test_what_does_not_hold_fails(
    lab: LabClient, write: Callable[..., Demo], tmp_path: Path, body: str, said: str
) -> None:
    """A broken check, an error, a death, a hang, or another seed fails the demo, says why, and records nothing."""
    demo, kept = write(claim(body)), Recordings(tmp_path / "recorded")
    (result,) = await judged(lab, demo, recordings=kept, record=True, seeds=2, timeout=3.0)
    assert not result.ok
    assert any(said in p for p in result.problems), result.problems
    assert kept.get(demo.name) is None


async def test_a_check_that_is_gone_fails(lab: LabClient, write: Callable[..., Demo], tmp_path: Path) -> None:
    """A recorded check that the same source no longer makes is a problem; after a change of source it is not."""
    demo, kept = write(claim("expect('n', 1, equals=1)")), Recordings(tmp_path / "recorded")
    check = Check("m", "equals", 1, 1, 0, 0, True)
    kept.write(demo, [Outcome("one", True, 0.1, (check,))], torch="2", today=DAY)
    (result,) = await judged(lab, demo, recordings=kept)
    assert result.problems == ("one: the check of «m», recorded 2026-11-24, is not there",)
    kept.write(replace(demo, source=demo.source + "\nolder = 1\n"), [Outcome("one", True, 0.1, (check,))], torch="2", today=DAY)
    (result,) = await judged(lab, demo, recordings=kept)
    assert result.ok
    assert "changed since" in result.warnings[0]


async def test_a_skipped_claim_says_when_it_ran(lab: LabClient, write: Callable[..., Demo], tmp_path: Path) -> None:
    """What this machine lacks never fails; the date and card of its recording are told, and that it is stale."""
    demo = write(claim("1 / 0", mark="@needs('tpu')\n"))
    kept = Recordings(tmp_path / "recorded")
    (result,) = await judged(lab, demo, recordings=kept)
    assert (result.ok, result.skipped) == (True, ("one: skipped (tpu), not recorded yet",))
    ran = Outcome("one", True, 0.1, (Check("n", "equals", 1, 1, 0, 0, True),))
    kept.write(replace(demo, source=demo.source + "\nolder = 1\n"), [ran], torch="2", today=DAY, machine="tpu-v9")
    (result,) = await judged(lab, demo, recordings=kept)
    assert result.skipped == ("one: skipped (tpu), recorded 2026-11-24 on tpu-v9",)
    assert result.ok
    assert result.warnings


async def test_thin_margins_are_named(lab: LabClient, write: Callable[..., Demo]) -> None:
    """Over several seeds a margin that nearly breaks is named; wide and fixed ones are not."""
    body = (
        "r = torch.rand(1).item()\n    expect('thin', r, at_least=0)\n    expect('wide', r, at_least=-99)\n"
        "    expect('fixed', 1, equals=1)"
    )
    (result,) = await judged(lab, write(claim(body)), seeds=5)
    assert result.ok
    assert [t.split("«")[1].split("»")[0] for t in result.thin] == ["thin"]


WAYS = """RANGES = {"n": between(0, 9), "mode": one_of("right", "wrong", "odd")}


@breaks(mode="wrong", en="Wrong.", zh="错误。")
@breaks(mode=MODE, en="Odd.", zh="古怪。")
def claim_one(n=3, mode="right"):
    \'\'\'It is so.

    如此。\'\'\'
    BODY
    expect("modes", {"right": 0, "wrong": 1, "odd": ODD}[mode], equals=0)
"""


def ways(body: str = "pass", odd: str = "2", mode: str = "'odd'") -> str:
    return WAYS.replace("BODY", body).replace("ODD", odd).replace("MODE", mode).replace("\\'", "'")


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        (ways(), ""),
        (ways(odd="0"), "one with mode='odd' still holds, though it is named as a wrong way"),
        (ways(odd="1 / 0"), "could not run: ZeroDivisionError: division by zero"),
        (ways(odd="float('nan')"), "one with mode='odd' could not run: «modes» is nan"),
    ],
)
async def test_a_wrong_way_must_break_a_check(lab: LabClient, write: Callable[..., Demo], source: str, problem: str) -> None:
    """Each wrong way is run and counted; one that holds all the same, or that crashes, fails the demo."""
    (result,) = await judged(lab, write(source))
    assert result.ok is not bool(problem), result.problems
    assert not problem or any(problem in p for p in result.problems), result.problems
    if not problem:
        assert (result.refuted, result.wrong_ways) == (2, 2)
        assert "1 of 1 claims hold, 2 of 2 wrong ways refuted" in result.lines()[0]


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("pass", ""),
        ("1 / n", "one with n=0 could not run: ZeroDivisionError: division by zero"),
        ("expect('n', n, at_least=1)", "one with n=0 is in range and does not hold: n is 0, not at least 1"),
        ("1 / (mode != 'odd')", "mode='odd' could not run: ZeroDivisionError"),
    ],
)
async def test_in_range_nothing_crashes_and_the_claim_holds(
    lab: LabClient, write: Callable[..., Demo], body: str, problem: str
) -> None:
    """Parameters are drawn from the ranges, low ends first; the idea's own are drawn too, and then only must not crash."""
    (result,) = await judged(lab, write(ways(body)), drawn=12)
    assert result.ok is not bool(problem), result.problems
    assert not problem or any(problem in p for p in result.problems), result.problems
    assert result.draws >= 6  # a draw that fell on the defaults is left out


async def test_timed_claims_run_alone(lab: LabClient, write: Callable[..., Demo], tmp_path: Path) -> None:
    """No claim of any demo runs beside a timed one."""
    log = tmp_path / "log"
    note = (
        f"for word in ('begin', 'end'):\n        print(word, sys._getframe().f_code.co_name, file=open({str(log)!r}, 'a'))\n"
        "        time.sleep(0.15)\n    expect('n', 1, equals=1)"
    )
    demos = [write(claim(note, f"t{i}", "@timed\n") + claim(note, f"u{i}"), name=f"attention/d{i}") for i in range(3)]
    results = await judged(lab, *demos, jobs=3)
    assert all(r.ok and len(r.outcomes) == 2 for r in results)
    said = log.read_text().split("\n")
    timed = [i for i, line in enumerate(said) if "begin claim_t" in line]
    assert len(timed) == 3
    assert min(timed) > max(i for i, line in enumerate(said) if "claim_u" in line)
    assert all(said[i + 1] == said[i].replace("begin", "end") for i in timed)


async def test_what_took_longest_comes_first(lab: LabClient, write: Callable[..., Demo], tmp_path: Path) -> None:
    """By what was recorded of the same source; what was never recorded, or of other source, comes before all."""
    kept = Recordings(tmp_path / "recorded")
    demos = {name: write(claim("expect('r', 1, equals=1)"), name=f"attention/{name}") for name in ("short", "long", "new")}
    for name, seconds in (("short", 1.0), ("long", 5.0)):
        (result,) = await judged(lab, demos[name], recordings=kept, record=True)
        path = kept.path(result.demo)
        path.write_text(re.sub(r'"seconds": [0-9.e-]+', f'"seconds": {seconds}', path.read_text("utf-8"), count=1), "utf-8")
    every = [DemoRuns(demo) for demo in demos.values()]
    assert [runs.demo.name.split("/")[1] for runs in longest_first(every, kept)] == ["new", "long", "short"]
    assert longest_first(every, None) == every
