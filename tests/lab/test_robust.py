"""Demos that misbehave: each is a message and an end, and nothing of it is left."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from studyapp.evidence.types import Table
from studyapp.i18n import LANGUAGES, Translations
from studyapp.lab.client import LabClient
from studyapp.lab.collect import collect
from studyapp.lab.demo import Demo
from studyapp.lab.fork_server import preload
from studyapp.lab.processes import family
from studyapp.lab.protocol import Checked, Finished, Output, Shown
from tests.lab.support import HOLDS, alive, claim, descendants, ended, everything, within

ROOT = Path(__file__).parent.parent.parent
ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc alone")
IN_LOOP = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lab() -> AsyncIterator[LabClient]:
    async with LabClient() as made:
        yield made


def sends(line: str) -> str:
    """A claim that writes a line to whatever descriptor it finds, that of the messages among them."""
    return claim(
        f"for fd in range(3, 64):\n    try: os.write(fd, {line!r}.encode() + b'\\n')\n    except OSError: pass\n"
        "time.sleep(0.2)\nexpect('n', 1, equals=1)"
    )


TABLE = {"kind": "table", "columns": ["a"], "rows": [[1]], "title": ""}


@pytest.mark.parametrize(
    "message",
    [
        {"event": "shown", "claim": "one"},
        {"event": "shown", "claim": "one", "item": 3},
        {"event": "shown", "claim": "one", "item": {**TABLE, "kind": "picture"}},
        {"event": "shown", "claim": "one", "item": {**TABLE, "rows": [[1, 2]]}},
        {"event": "shown", "claim": "one", "item": {**TABLE, "columns": 3}},
        {"event": "checked", "claim": "one", "check": {"kind": "check"}},
        {"event": "hello", "pid": "x", "torch": "2"},
        {"event": "hello"},
        {"event": "finished", "claim": "one", "held": "yes", "seconds": 1},
        {"event": "started", "claim": "nobody"},
        {"event": "nothing of the kind"},
        {},
        [1],
        3,
    ],
    ids=lambda message: json.dumps(message)[:60],
)
@IN_LOOP
async def test_a_malformed_message_ends_the_run(lab: LabClient, write: Callable[..., Demo], message: Any) -> None:
    """A message that lacks a field, has another type or names another claim is a crash that says so, and an end."""
    events = await everything(lab, write(sends(json.dumps(message))))
    assert ended(events).reason == "crash"
    assert "a message that is none" in ended(events).message
    assert ended(await everything(lab, write(HOLDS))).ok


@IN_LOOP
async def test_half_a_line_is_passed_over(lab: LabClient, write: Callable[..., Demo]) -> None:
    """What is no JSON, as the half line that a kill leaves, stops nothing."""
    assert ended(await everything(lab, write(sends('{"event": "shown", "cl')))).ok


@ON_LINUX
@IN_LOOP
async def test_leaving_the_group_does_not_help(lab: LabClient, write: Callable[..., Demo]) -> None:
    """A run that moved to the worker's own group is still ended when its time is up."""
    body = "show(table({'pid': [os.getpid()]}))\nos.setpgid(0, os.getpgid(os.getppid()))\ntime.sleep(600)"
    start = time.monotonic()
    events = await everything(lab, write(claim(body)), timeout=0.5)
    assert ended(events).reason == "timeout"
    assert time.monotonic() - start < 20
    (pid,) = [e.item.rows[0][0] for e in events if isinstance(e, Shown) and isinstance(e.item, Table)]
    assert not alive(int(str(pid)))
    assert lab.pid is not None and alive(lab.pid)


@ON_LINUX
@IN_LOOP
async def test_a_worker_that_does_not_answer_is_ended(lab: LabClient, write: Callable[..., Demo]) -> None:
    """Where the worker was stopped and cannot end the run, the app ends it, the run and what left its session."""
    body = (
        "import signal, subprocess\nproc = subprocess.Popen(['sleep', '600'], start_new_session=True)\n"
        "show(table({'pid': [os.getpid(), proc.pid]}))\nos.kill(os.getppid(), signal.SIGSTOP)\ntime.sleep(600)"
    )
    await lab.start()
    worker = lab.pid
    async with asyncio.timeout(30):
        events = await everything(lab, write(claim(body)), timeout=0.5)
    assert ended(events).reason == "timeout"
    (pids,) = [[row[0] for row in e.item.rows] for e in events if isinstance(e, Shown) and isinstance(e.item, Table)]
    assert worker is not None
    assert within(5, lambda: not any(alive(int(str(pid))) for pid in [worker, *pids]))
    assert ended(await everything(lab, write(HOLDS))).ok


@ON_LINUX
@IN_LOOP
async def test_memory_in_another_session_counts(lab: LabClient, write: Callable[..., Demo]) -> None:
    """Processes that a run put into sessions of their own count to its memory, also those whose parent has left."""
    body = (
        "for _ in range(4):\n    if not os.fork():\n        os.setsid()\n        if os.fork(): os._exit(0)\n"
        "        x = bytearray(os.urandom(1 << 20) * 250)\n        time.sleep(600)\ntime.sleep(600)"
    )
    events = await everything(lab, write(claim(body)), memory=700 << 20, timeout=25)
    assert ended(events).reason == "memory"
    assert lab.pid is not None
    assert descendants(lab.pid) == []


@ON_LINUX
@IN_LOOP
async def test_shared_pages_are_counted_once(lab: LabClient, write: Callable[..., Demo]) -> None:
    """Forks that only share their parent's pages do not add up to more than there is."""
    body = (
        "x = torch.ones(100 << 18)\nfor _ in range(8):\n    if not os.fork(): time.sleep(1.5); os._exit(0)\n"
        "time.sleep(1.5)\nexpect('n', 1, equals=1)"
    )
    assert ended(await everything(lab, write(claim(body)), memory=1 << 30)).ok


@ON_LINUX
def test_a_family_is_all_below_whatever_its_session() -> None:
    """A process that left group and session is still found below the one that began it."""
    code = "import subprocess, time; print(subprocess.Popen(['sleep', '60'], start_new_session=True).pid, flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        below = int(process.stdout.readline())
        try:
            assert set(family(process.pid)) == {process.pid, below}
            assert below in family(os.getpid())
        finally:
            for pid in (below, process.pid):
                os.kill(pid, 9)


IMPORTING = """
import asyncio, sys
from studyapp.lab.client import LabClient

async def go():
    lab = LabClient()
    task = asyncio.create_task(lab.start())
    while lab.pid is None:
        await asyncio.sleep(0.01)
    print(lab.pid, flush=True)
    await task

asyncio.run(go())
"""


@ON_LINUX
def test_an_app_that_dies_while_torch_is_imported_leaves_nothing(tmp_path: Path) -> None:
    """The worker dies with the app also before it listens: while it imports torch."""
    (tmp_path / "torch.py").write_text(f"open({str(tmp_path / 'begun')!r}, 'w')\nimport time\ntime.sleep(600)")
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-c", IMPORTING]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment) as app:
        assert app.stdout is not None
        worker = int(app.stdout.readline())
        assert within(20, (tmp_path / "begun").exists)
        assert alive(worker)
        app.kill()
        assert within(5, lambda: not alive(worker))


@IN_LOOP
async def test_what_a_library_said_before_it_left_is_told(lab: LabClient, write: Callable[..., Demo]) -> None:
    """An exit of libgomp, which says why on stderr alone, is told with its words, and not as an exit code only."""
    words = "libgomp: Thread creation failed: Resource temporarily unavailable"
    body = f"print('first')\nprint({words!r}, file=sys.stderr)\nsys.stderr.flush()\nos._exit(1)"
    end = ended(await everything(lab, write(claim(body))))
    assert (end.reason, end.message) == ("crash", f"the demo left with exit code 1 in one: {words}")
    for language in LANGUAGES:
        assert words in end.why(Translations.load(language))


@IN_LOOP
async def test_a_run_has_a_folder_of_its_own_that_goes_with_it(lab: LabClient, write: Callable[..., Demo]) -> None:
    """What a demo writes to its folder or to the temporary one is gone with the run, also what it made unreadable."""
    body = (
        "import tempfile\nfrom pathlib import Path\nPath('left').write_text('x')\nPath('deep/er').mkdir(parents=True)\n"
        "Path('deep/er/file').write_text('x')\nPath('deep').chmod(0)\n"
        "show(table({'place': [os.getcwd(), tempfile.mkdtemp()]}))\nexpect('n', 1, equals=1)"
    )
    events = await everything(lab, write(claim(body)))
    (places,) = [[str(r[0]) for r in e.item.rows] for e in events if isinstance(e, Shown) and isinstance(e.item, Table)]
    assert ended(events).ok
    assert places[0] != str(Path.cwd())
    assert not any(Path(place).exists() for place in places)


@IN_LOOP
async def test_a_killed_run_leaves_no_folder(lab: LabClient, write: Callable[..., Demo]) -> None:
    """The folder of a run that is stopped goes, too."""
    body = "show(table({'place': [os.getcwd()]}))\ntime.sleep(600)"
    events = await everything(lab, write(claim(body)), timeout=0.5)
    (place,) = [str(e.item.rows[0][0]) for e in events if isinstance(e, Shown) and isinstance(e.item, Table)]
    assert not Path(place).exists()


@IN_LOOP
async def test_folders_of_killed_workers_go_in_time(
    tmp_path: Path, write: Callable[..., Demo], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that a killed worker left is removed a day later by the next one; a younger one may be in use and stays."""
    old, young = tmp_path / "studyapp-run-old", tmp_path / "studyapp-run-young"
    for folder in (old, young):
        folder.mkdir()
        (folder / "file").write_text("x")
    os.utime(old, (time.time() - 2 * 86_400,) * 2)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    async with LabClient() as fresh:
        assert ended(await everything(fresh, write(HOLDS))).ok
    assert (old.exists(), young.exists()) == (False, True)


@IN_LOOP
async def test_each_claim_has_the_time_that_it_declares(lab: LabClient, write: Callable[..., Demo]) -> None:
    """A claim is stopped after its own seconds, which the message names; those before it take nothing from it."""
    quick = claim("time.sleep(0.7)\nexpect('n', 1, equals=1)", "quick", mark="@slow(5)\n")
    stuck = claim("time.sleep(600)", "stuck", mark="@slow(1)\n")
    events = await everything(lab, write(quick + stuck))
    assert [(e.claim, e.held) for e in events if isinstance(e, Finished)] == [("quick", True)]
    end = ended(events)
    assert (end.reason, end.claim, end.limit) == ("timeout", "stuck", "1 s")
    for language in LANGUAGES:
        assert "stuck" in end.why(Translations.load(language)) and "1 s" in end.why(Translations.load(language))


def test_timed_claims_get_at_most_sixteen_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine of many cores a timed claim gets sixteen threads: each wants a stack, and libgomp dies for want of one."""
    import torch

    own = torch.get_num_threads()
    try:
        monkeypatch.setattr(torch, "get_num_threads", lambda: 64)
        assert preload()[0] == 16
        monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
        assert preload()[0] == 3
    finally:
        torch.set_num_threads(own)


@IN_LOOP
async def test_a_claim_that_raises_could_not_run(lab: LabClient, write: Callable[..., Demo]) -> None:
    """A claim that raised is not one that does not hold, nor is one whose run was stopped; both keep what they had shown."""
    shows = "show(table({'a': [1]}))\n"
    demo = write(claim(shows + "1 / 0") + claim("expect('n', 2, equals=1)", "two"))
    fold = await collect(lab.run(demo))
    assert [(o.claim, o.state) for o in fold.outcomes.values()] == [("one", "crashed"), ("two", "broken")]
    assert fold.outcomes["one"].evidence
    fold = await collect(lab.run(write(claim(shows + "time.sleep(600)")), timeout=0.5))
    (cut,) = fold.unfinished()
    assert (cut.claim, cut.state, len(cut.evidence)) == ("one", "crashed", 1)
    assert "stopped after 0.5 s" in cut.error


ESCAPE = "A\x1b]0;PWNED\x07B\x1b[2J\x9b31m\u202eC"


@IN_LOOP
async def test_nothing_reaches_the_terminal_raw(lab: LabClient, write: Callable[..., Demo]) -> None:
    """What a demo prints, shows, judges or raises comes with its control and bidi characters made visible."""
    body = (
        f"x = {ESCAPE!r}\nprint(x)\nshow(table({{x: [x, 1]}}, title=x), lines(x, [1], {{x: [2]}}))\n"
        "expect(x, 1, equals=1, at=(x, 3))\nraise ValueError(x)"
    )
    head = '"""A demo.\n\n演示。"""\nfrom studyapp.evidence import expect, lines, show, table\n\n\n'
    events = await everything(lab, write(claim(body), head=head))
    said = [str(e) for e in events if isinstance(e, Shown | Checked | Finished)]
    said += [e.text for e in events if isinstance(e, Output)]
    assert len(said) == 5
    for text in said:
        assert "PWNED" in text
        assert not set(text) & set("\x1b\x07\x9b\u202e"), ascii(text)
        assert "\\u001b" in text


@IN_LOOP
async def test_a_crash_of_the_whole_run_is_cleaned(lab: LabClient, write: Callable[..., Demo]) -> None:
    """The message of a demo that cannot be loaded holds no escape sequence, and the sentence on it is one line."""
    end = ended(await everything(lab, write(f"raise RuntimeError({ESCAPE!r})\n" + HOLDS)))
    assert end.reason == "crash" and "\\u001b" in end.message
    assert not set(end.message) & set("\x1b\x07\x9b\u202e")
    assert end.why(Translations.load("en")).startswith("the demo could not run: RuntimeError: A\\u001b]0;PWNED")
