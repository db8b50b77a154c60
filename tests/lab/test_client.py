"""Whatever a demo does, it is a message, never the end of the app."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from pathlib import Path

import pytest
import pytest_asyncio

from studyapp.errors import DemoError
from studyapp.evidence.types import Table
from studyapp.lab.client import LabClient
from studyapp.lab.demo import Demo
from studyapp.lab.protocol import Checked, Ended, Finished, Output, Progress, RunEvent, Shown, Skipped, Started
from tests.lab.support import HOLDS, alive, claim, descendants, ended, everything, within

ROOT = Path(__file__).parent.parent.parent


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lab() -> AsyncIterator[LabClient]:
    async with LabClient() as made:
        yield made


async def test_a_run_streams_what_its_claims_say(lab: LabClient, write: Callable[..., Demo]) -> None:
    """Started, progress, evidence, checks and the verdict come claim by claim, and Ended last."""
    body = (
        "for _ in progress(range(3)):\n    pass\nshow(table(['a', 'b'], [[float('nan'), float('-inf')], [n, 2]]))\n"
        "expect('n', n, equals=3)\nprint('printed 中')"
    )
    events = await everything(lab, write(claim(body, arguments="n=3") + HOLDS))
    assert Started("one") in events
    assert Progress("one", 3, 3) in events
    assert Shown("one", Table(("a", "b"), (("nan", "-inf"), (3, 2)))) in events
    assert [(e.claim, e.check.held) for e in events if isinstance(e, Checked)] == [("one", True), ("holds", True)]
    assert [(e.claim, e.held) for e in events if isinstance(e, Finished)] == [("one", True), ("holds", True)]
    assert Output("printed 中\n") in events
    assert (ended(events).ok, ended(events).reason, ended(events).torch[:2]) == (True, "done", "2.")


async def test_parameters_reach_the_claim(lab: LabClient, write: Callable[..., Demo]) -> None:
    """A turned parameter changes the outcome, tuples stay tuples, and the claims asked for alone run."""
    demo = write(claim("assert isinstance(ns, tuple)\nexpect('n', sum(ns), equals=3)", arguments="ns=(1, 2)") + HOLDS)
    events = await everything(lab, demo, ["one"], {"ns": [1, 5]})
    assert [(e.claim, e.held) for e in events if isinstance(e, Finished)] == [("one", False)]
    assert (ended(events).ok, ended(events).reason) == (False, "done")


async def test_what_is_asked_wrongly_never_runs(write: Callable[..., Demo]) -> None:
    """An unknown claim or parameter, or one of another type, is refused with a suggestion before anything starts."""
    demo, lab = write(claim("expect('n', n, equals=1)", arguments="number=1")), LabClient()
    for claims, given in ((["onne"], {}), (None, {"numbr": 1}), (None, {"number": 1.5})):
        with pytest.raises(DemoError) as caught:
            lab.run(demo, claims, given)
        assert caught.value.hint
    assert lab.pid is None


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("raise ValueError('of my own')", "ValueError: of my own"),
        ("sys.exit(3)", "SystemExit: 3"),
        ("pass", "expected nothing"),
        ("expect('n', 1)", "exactly one of"),
    ],
)
async def test_a_claim_that_raises_leaves_the_others(
    lab: LabClient, write: Callable[..., Demo], body: str, said: str
) -> None:
    """The traceback is in Finished, and the next claim still runs."""
    events = await everything(lab, write(claim(body) + HOLDS))
    first, second = (e for e in events if isinstance(e, Finished))
    assert not first.held
    assert said in str(first.error)
    assert second.held
    assert (ended(events).ok, ended(events).reason) == (False, "done")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("os._exit(7)", "exit code 7 in one"),
        ("os._exit(0)", "exit code 0 in one"),
        ("import ctypes\nctypes.string_at(0)", "SIGSEGV in one"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    ],
)
async def test_a_claim_that_dies_is_a_crash(lab: LabClient, write: Callable[..., Demo], body: str, said: str) -> None:
    """However the process ends, evidence shown before stays, the reason is told, and the lab runs the next demo."""
    events = await everything(lab, write(claim("show(table({'a': [1]}))\n" + body)))
    assert any(isinstance(e, Shown) for e in events)
    assert (ended(events).ok, ended(events).reason) == (False, "crash")
    assert said in ended(events).message
    assert ended(await everything(lab, write(HOLDS))).ok


async def test_a_demo_that_cannot_be_loaded_is_a_crash(lab: LabClient, write: Callable[..., Demo]) -> None:
    """A failing import at the top of the file is told with its traceback."""
    events = await everything(lab, write("import not_there\n" + HOLDS))
    assert ended(events).reason == "crash"
    assert "not_there" in ended(events).message


@pytest.mark.parametrize(
    "body",
    [
        "time.sleep(60)",
        "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: pass",
        "import ctypes\nctypes.CDLL(None).sleep(60)",
    ],
)
async def test_a_hang_is_stopped(lab: LabClient, write: Callable[..., Demo], body: str) -> None:
    """A claim that does not end is killed at the time-out, in Python or in C, and the message names it."""
    start = time.monotonic()
    events = await everything(lab, write(claim(body)), timeout=0.5)
    assert ended(events).reason == "timeout"
    assert "one was stopped after 0.5 s" in ended(events).message
    assert time.monotonic() - start < 20


async def test_an_absurd_allocation_is_an_error(lab: LabClient, write: Callable[..., Demo]) -> None:
    """One allocation beyond what may be mapped is an error of the claim that can be read."""
    events = await everything(lab, write(claim("torch.ones(1 << 33)")))
    assert ended(events).ok is False
    assert any("memory" in (e.error or "") for e in events if isinstance(e, Finished))


async def test_memory_that_is_mapped_and_not_held_counts_for_nothing(lab: LabClient, write: Callable[..., Demo]) -> None:
    """A claim may map far more than it holds, as thread stacks and CUDA do; what is held is what is limited."""
    events = await everything(lab, write(claim("import mmap\nmmap.mmap(-1, 8 << 30)\nexpect('n', 1, equals=1)")), memory=1 << 30)
    assert ended(events).ok, events


async def test_memory_that_is_held_is_limited(lab: LabClient, write: Callable[..., Demo]) -> None:
    """A claim that fills more than the limit is stopped, and the message names the claim and the limit."""
    events = await everything(lab, write(claim("x = torch.ones(1 << 28)\ntime.sleep(60)")), memory=700 << 20)
    assert (ended(events).reason, ended(events).claim, ended(events).limit) == ("memory", "one", "0.684 GiB")


async def test_memory_taken_by_several_processes_is_seen(lab: LabClient, write: Callable[..., Demo]) -> None:
    """Forks that each stay below the limit are stopped where together they do not."""
    body = (
        "for _ in range(4):\n    if not os.fork():\n"
        "        x = bytearray(os.urandom(1 << 20) * 250)\n        time.sleep(60)\ntime.sleep(60)"
    )
    events = await everything(lab, write(claim(body)), memory=700 << 20, timeout=20)
    assert ended(events).reason == "memory"


async def test_a_flood_keeps_its_tail(lab: LabClient, write: Callable[..., Demo]) -> None:
    """Megabytes printed do not block the demo; the last 64 KiB are shown with a word on the rest."""
    events = await everything(lab, write(claim("print('x' * 5_000_000)\nprint('the end')\nexpect('n', 1, equals=1)")))
    (output,) = (e for e in events if isinstance(e, Output))
    assert output.text.endswith("the end\n")
    assert "bytes left out" in output.text
    assert len(output.text) < (64 << 10) + 100
    assert ended(events).ok


async def test_evidence_without_end_is_capped(lab: LabClient, write: Callable[..., Demo]) -> None:
    """Evidence beyond the cap is left out and said so; the claim is still judged."""
    body = "for _ in range(30):\n    show(table({'a': list(range(100_000))}))\nexpect('n', 1, equals=1)"
    events = await everything(lab, write(claim(body)))
    assert 1 <= sum(isinstance(e, Shown) for e in events) < 30
    assert any("left out" in e.text for e in events if isinstance(e, Output))
    assert ended(events).ok


async def test_ranks_give_their_results_and_stay_silent(lab: LabClient, write: Callable[..., Demo]) -> None:
    """on_ranks reduces over real ranks also after threaded work, and only the leader speaks."""
    work = (
        "def work(rank, ranks):\n    t = torch.tensor([float(rank)])\n    torch.distributed.all_reduce(t)\n"
        "    show(table({'a': [rank]}))\n    return t.item()\nexpect('sum', on_ranks(work, 3), equals=3)"
    )
    demo = write(
        claim(work) + claim("torch.randn(900, 900) @ torch.randn(900, 900)\n" + work, "after_threads", mark="@timed\n")
    )
    events = await everything(lab, demo)
    assert ended(events).ok, events
    assert not any(isinstance(e, Shown) for e in events)


async def test_a_failing_rank_is_named(lab: LabClient, write: Callable[..., Demo]) -> None:
    """A rank that raises fails the claim with its number and its words."""
    body = "def work(rank, ranks):\n    if rank == 1: raise ValueError('mine')\n    return rank\non_ranks(work, 2)"
    events = await everything(lab, write(claim(body)), timeout=20)
    (finished,) = (e for e in events if isinstance(e, Finished))
    assert "rank 1" in str(finished.error)
    assert "ValueError: mine" in str(finished.error)


async def test_timed_claims_come_last(lab: LabClient, write: Callable[..., Demo]) -> None:
    """A timed claim runs after the others and gets the machine's threads; the others get one."""
    count = "expect('threads', torch.get_num_threads(), {}=1)"
    timed = claim(count.format("at_least"), "first", mark="@timed\n")
    events = await everything(lab, write(timed + claim(count.format("equals"), "second")))
    assert [e.claim for e in events if isinstance(e, Finished)] == ["second", "first"]
    assert ended(events).ok


async def test_no_limit_on_mapped_memory_where_a_claim_needs_a_card(lab: LabClient, write: Callable[[str], Demo]) -> None:
    """CUDA maps far more than it uses: a run with such a claim gets no limit on mappings, one without it a far one."""
    demo = write(claim("1 / 0", mark="@needs('cuda')\n") + HOLDS)
    assert lab.run(demo).request.data_limit == 0
    assert lab.run(demo, ["holds"]).request.data_limit == 16 << 30


async def test_what_the_machine_lacks_is_skipped(lab: LabClient, write: Callable[..., Demo]) -> None:
    """A claim that needs what is not here is skipped, and the run is still well."""
    events = await everything(lab, write(claim("1 / 0", mark="@needs('a quantum computer')\n") + HOLDS))
    assert Skipped("one", "a quantum computer") in events
    assert ended(events).ok


async def test_seeds_are_set_for_each_claim(lab: LabClient, write: Callable[..., Demo]) -> None:
    """The same seed gives the same numbers whichever claims run before; another seed gives others."""
    demo = write(
        claim("expect('r', torch.rand(1), at_least=0)") + claim("expect('r', torch.rand(1), at_least=0)", "two")
    )
    got = [
        [e.check.got for e in await everything(lab, demo, c, seed=s) if isinstance(e, Checked)]
        for c, s in ((None, 0), (["two"], 0), (["two"], 1))
    ]
    assert got[0][0] == got[0][1] == got[1][0] != got[2][0]


ESCAPES = (
    "if not os.fork():\n    os.setsid()\n    if not os.fork():\n        time.sleep(600)\n    time.sleep(600)\n"
    "if not os.fork():\n    time.sleep(600)\nprint('up')\nshow(table({'pid': [os.getpid()]}))\n"
)


@pytest.mark.skipif(sys.platform != "linux", reason="orphans are adopted on Linux alone")
@pytest.mark.parametrize("how", ["close", "cancel", "task", "leave"])
async def test_nothing_of_a_run_is_left(lab: LabClient, write: Callable[..., Demo], how: str) -> None:
    """Closing, cancelling or ending a run kills every process of it, also one that left its group."""
    demo = write(claim(ESCAPES + ("expect('n', 1, equals=1)" if how == "leave" else "time.sleep(600)")))
    events: list[RunEvent] = []

    async def run() -> None:
        async with aclosing(lab.run(demo)) as running:
            async for event in running:
                events.append(event)
                if isinstance(event, Shown) and how == "close":
                    return
                if isinstance(event, Shown) and how == "cancel":
                    running.cancel()
                if isinstance(event, Shown) and how == "task":
                    asyncio.get_running_loop().call_later(0.05, task.cancel)

    task = asyncio.create_task(run())
    await asyncio.wait({task}, timeout=20)
    assert task.done()
    assert lab.pid is not None
    assert descendants(lab.pid) == []
    if how in {"cancel", "leave"}:
        assert ended(events).reason == ("cancelled" if how == "cancel" else "done")
        running_out = lab.run(write(HOLDS))
        assert ended([e async for e in running_out]).ok
        running_out.cancel()


async def test_runs_side_by_side(lab: LabClient, write: Callable[..., Demo]) -> None:
    """Several runs at once do not mix, and one that is killed leaves the others."""
    demos = [
        write(claim(f"time.sleep(0.3)\nexpect('n', {i}, equals={i})", f"c{i}"), name=f"attention/d{i}")
        for i in range(3)
    ]
    hang = write(claim("time.sleep(60)"), name="attention/hang")
    *three, stuck = await asyncio.gather(*(everything(lab, d) for d in demos), everything(lab, hang, timeout=0.1))
    assert [ended(e).ok for e in three] == [True] * 3
    assert [[c.claim for c in e if isinstance(c, Checked)] for e in three] == [["c0"], ["c1"], ["c2"]]
    assert ended(stuck).reason == "timeout"


async def test_a_killed_worker_is_told_and_started_again(lab: LabClient, write: Callable[..., Demo]) -> None:
    """Where the worker itself is killed, the run ends with a crash, its process dies, and the next run has a new worker."""
    demo, pids = write(claim("show(table({'pid': [os.getpid()]}))\ntime.sleep(600)")), []
    events = []
    async for event in lab.run(demo):
        events.append(event)
        if isinstance(event, Shown) and isinstance(event.item, Table):
            pids.append(event.item.rows[0][0])
            assert lab.pid is not None
            os.kill(lab.pid, signal.SIGKILL)
    assert ended(events).reason == "crash"
    assert within(5, lambda: not alive(pids[0]))
    assert ended(await everything(lab, write(HOLDS))).ok


APP = """
import asyncio, sys
from pathlib import Path
from studyapp.lab.catalog import Catalog
from studyapp.lab.client import LabClient
from studyapp.lab.protocol import Shown

async def go():
    lab = LabClient()
    async for event in lab.run(Catalog.load(Path(sys.argv[1])).demos["attention/sample"]):
        if isinstance(event, Shown):
            print(lab.pid, event.item.rows[0][0], flush=True)

asyncio.run(go())
"""


@pytest.fixture
def app(write: Callable[..., Demo]) -> Iterator[subprocess.Popen[str]]:
    demo = write(claim(ESCAPES + "time.sleep(600)"))
    with subprocess.Popen(
        [sys.executable, "-c", APP, str(demo.path.parent.parent)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        yield process
        process.kill()


@pytest.mark.skipif(sys.platform != "linux", reason="orphans are adopted on Linux alone")
async def test_a_killed_app_leaves_nothing(app: subprocess.Popen[str]) -> None:
    """After kill -9 of the app the worker and every process of the demo are gone."""
    assert app.stdout is not None
    worker, child = map(int, app.stdout.readline().split())
    below = [worker, child, *descendants(worker)]
    assert len(below) >= 5
    app.kill()
    assert within(5, lambda: not any(alive(pid) for pid in below))


async def test_without_torch_the_lab_says_so(
    tmp_path: Path, write: Callable[..., Demo], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where torch cannot be imported, a run ends as unavailable and names it."""
    (tmp_path / "torch.py").write_text("raise ImportError('No module named torch')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    async with LabClient() as lab:
        events = await everything(lab, write(HOLDS))
        assert not lab.ready
    assert events == [Ended(False, "unavailable", "ImportError: No module named torch")]


async def test_a_python_that_is_not_there_is_unavailable(write: Callable[..., Demo]) -> None:
    """A worker that cannot even be started is a message."""
    events = await everything(LabClient("/nowhere/python"), write(HOLDS))
    assert ended(events).reason == "unavailable"
