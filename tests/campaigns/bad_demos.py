"""Run demos that misbehave, each in its own way: `python -m tests.campaigns.bad_demos`.

Each must end as a message within its time, in a sentence that can be shown in both languages; what it had shown must be
drawable; no process of it may be left, and nothing outside its folder be gone; the app must answer while it runs, and the lab
must run a good demo right after it. `--times` runs the list so often, `--only WORD` a part of it.
"""

import argparse
import asyncio
import contextlib
import os
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from studyapp.evidence.types import Evidence
from studyapp.i18n import LANGUAGES, Translations
from studyapp.lab import demo_run
from studyapp.lab.catalog import Catalog
from studyapp.lab.client import LabClient
from studyapp.lab.demo import Demo
from studyapp.lab.processes import children
from studyapp.lab.protocol import Checked, Ended, Finished, Shown
from studyapp.render.chart_svg import picture
from studyapp.render.chart_text import chart
from studyapp.render.html import evidence_html
from tests.lab.support import HOLDS, alive, claim

TIMEOUT, MEMORY, LOAD = 1.5, 700 << 20, 6.0
"""Seconds that a claim may take, bytes that a run may hold, and seconds that a demo may take to load."""
END_SECONDS, GONE_SECONDS, LAG_SECONDS, DRAW_SECONDS = 60.0, 5.0, 2.0, 3.0
"""The most that an ending, the leaving of its processes, one turn of the event loop (CPU) and one drawing (CPU) may take."""
MARK = "STUDYAPP_BAD_DEMO"
HEAD = '''"""A demo that misbehaves.

不守规矩的演示。
"""
import ctypes, fcntl, gc, io, json, mmap, os, re, resource, shutil, signal, socket, subprocess, sys, tempfile, threading, time
from pathlib import Path

import torch

from studyapp.evidence import bars, expect, heatmap, lines, main, on_ranks, progress, show, slow, table, timed

GOOD = dict(equals=1)
VICTIM = Path({victim!r})


def send(text):
    """Write to whatever descriptor is open, that of the messages among them."""
    for fd in range(3, 64):
        try: os.write(fd, text if isinstance(text, bytes) else text.encode())
        except OSError: pass


def forked(body):
    """A child that runs `body` and never comes back."""
    pid = os.fork()
    if not pid:
        try: body()
        finally: os._exit(0)
    return pid


'''
PASSES = "\nexpect('n', 1, equals=1)"
SLEEP = "time.sleep(600)"


@dataclass(frozen=True)
class BadDemo:
    """What a claim does, how that may end («done» is an end of its own accord), or else the whole source below HEAD."""

    name: str
    body: str
    ends: str
    whole: bool = False


def bad(name: str, ends: str, body: str, *, passes: bool = False) -> BadDemo:
    """A claim with this body; it holds afterwards where `passes`."""
    return BadDemo(name, body + PASSES * passes, ends)


def loading(name: str, ends: str, source: str) -> BadDemo:
    """A demo that misbehaves while it is loaded."""
    return BadDemo(name, f"{source}\n\n\n{HOLDS}", ends, whole=True)


EXITS = (
    bad("exits with 0", "crash", "os._exit(0)"),
    bad("exits with 7", "crash", "os._exit(7)"),
    bad("sys.exit", "done crash", "sys.exit(0)"),
    bad("sys.exit with words", "done crash", "sys.exit('\\x1b[2J' * 100)"),
    bad("KeyboardInterrupt", "done crash", "raise KeyboardInterrupt"),
    bad("GeneratorExit", "done crash", "raise GeneratorExit"),
    bad("an exception that cannot be written", "done crash", "class E(Exception):\n    def __str__(self): raise E\nraise E"),
    bad("an exception whose text never ends", "done crash timeout",
        "class E(Exception):\n    def __str__(self): time.sleep(600)\nraise E"),
    bad("an exception of 20 MB", "done crash timeout", "raise ValueError('x' * 20_000_000)"),
    bad("a chain of 5,000 exceptions", "done crash",
        "e = None\nfor i in range(5000):\n    n = ValueError(i)\n    n.__cause__ = e\n    e = n\nraise e"),
    bad("aborts", "crash", "os.abort()"),
    bad("segfault", "crash", "ctypes.string_at(0)"),
    bad("kills itself", "crash", "os.kill(os.getpid(), signal.SIGKILL)"),
    bad("terminates itself", "crash", "os.kill(os.getpid(), signal.SIGTERM); time.sleep(600)"),
    bad("kills its group", "crash", "os.killpg(0, signal.SIGKILL)"),
    bad("an alarm", "crash", "signal.alarm(1); time.sleep(600)"),
    bad("a limit of CPU time", "crash timeout", "resource.setrlimit(resource.RLIMIT_CPU, (1, 1))\nwhile True: pass"),
    bad("deep recursion", "done crash", "def f(): return f()\nf()"),
    bad("recursion without limit", "done crash memory timeout", "sys.setrecursionlimit(1 << 30)\ndef f(): return [f()]\nf()"),
)  # fmt: skip

HANGS = (
    bad("sleeps", "timeout", SLEEP),
    bad("turns", "timeout", "while True: pass"),
    bad("hangs in C", "timeout", "re.match(r'(a+)+$', 'a' * 60 + 'b')"),
    bad("ignores every signal", "timeout",
        "for s in signal.valid_signals():\n    try: signal.signal(s, signal.SIG_IGN)\n    except OSError: pass\ntime.sleep(600)"),
    bad("stops itself", "timeout", "os.kill(os.getpid(), signal.SIGSTOP)"),
    bad("waits for a lock", "timeout", "l = threading.Lock(); l.acquire(); l.acquire()"),
    bad("waits for itself on a pipe", "timeout", "r, w = os.pipe(); os.read(r, 1)"),
    bad("a thread that never ends", "done", "threading.Thread(target=time.sleep, args=(600,)).start()", passes=True),
    bad("200 threads", "done crash", "for _ in range(200): threading.Thread(target=time.sleep, args=(600,)).start()", passes=True),
    bad("a finalizer that never ends", "done", "class D:\n    def __del__(self): time.sleep(600)\nsys.d = D()", passes=True),
    bad("an atexit that never ends", "done", "import atexit; atexit.register(time.sleep, 600)", passes=True),
    bad("catches what stops it", "timeout", "while True:\n    try: time.sleep(600)\n    except BaseException: pass"),
    bad("a timer without end", "done", "signal.signal(signal.SIGALRM, lambda *_: None); signal.setitimer(signal.ITIMER_REAL, .001, .001)",
        passes=True),
)  # fmt: skip

FORKS = (
    bad("a child that sleeps", "done", f"forked(lambda: {SLEEP})", passes=True),
    bad("a child in a session of its own", "done", "forked(lambda: (os.setsid(), time.sleep(600)))", passes=True),
    bad("a grandchild whose parent left", "done",
        "forked(lambda: (os.setsid(), os.fork() and os._exit(0), time.sleep(600)))\nos.wait()", passes=True),
    bad("a child that ignores signals and stops", "done",
        "forked(lambda: ([signal.signal(s, signal.SIG_IGN) for s in (1, 2, 15)], os.kill(os.getpid(), signal.SIGSTOP)))", passes=True),
    bad("a hundred children", "done timeout", f"for _ in range(100): forked(lambda: {SLEEP})", passes=True),
    bad("a bomb of six generations", "done crash memory timeout", "for _ in range(6): os.fork()\ntime.sleep(600)"),
    bad("children that beget while they are killed", "done timeout",
        "def go():\n    while True:\n        if os.fork(): os._exit(0)\nforked(go)\ntime.sleep(.3)", passes=True),
    bad("fifty zombies", "done timeout", "for _ in range(50): forked(lambda: None)\ntime.sleep(.2)", passes=True),
    bad("leaves its group", "done", "os.setpgid(0, os.getpgid(os.getppid()))", passes=True),
    bad("leaves its group and hangs", "timeout", "os.setpgid(0, os.getpgid(os.getppid())); time.sleep(600)"),
    bad("a shell that traps signals", "done",
        "subprocess.Popen(['sh', '-c', 'trap \"\" TERM HUP INT; sleep 600 & sleep 600'], start_new_session=True)", passes=True),
    bad("a program without environment", "done",
        "subprocess.Popen(['setsid', 'sleep', '600'], env={'PATH': os.environ['PATH']})", passes=True),
    bad("a child that goes on talking", "done crash timeout",
        "m = '{\"event\": \"progress\", \"claim\": \"one\", \"done\": 1, \"total\": 2}\\n'\n"
        "forked(lambda: [(print('later'), send(m), time.sleep(.01)) for _ in range(10_000)])", passes=True),
    bad("a pool that nobody closes", "done",
        "import multiprocessing\np = multiprocessing.get_context('fork').Pool(3); p.apply_async(time.sleep, (600,))", passes=True),
    bad("a rank that dies", "done crash", "on_ranks(2, os._exit)"),
    bad("the app's worker killed", "crash", "os.kill(os.getppid(), signal.SIGKILL); time.sleep(600)"),
    bad("the app's worker killed, and a child left behind", "crash",
        "subprocess.Popen(['sleep', '600'], start_new_session=True)\nos.kill(os.getppid(), signal.SIGKILL); time.sleep(600)"),
    bad("the app's worker stopped", "timeout", "os.kill(os.getppid(), signal.SIGSTOP); time.sleep(600)"),
    bad("the app's worker interrupted and hung up", "done crash timeout",
        "os.kill(os.getppid(), signal.SIGINT); os.kill(os.getppid(), signal.SIGCHLD)", passes=True),
)  # fmt: skip

MEMORY_TAKEN = (
    bad("holds more than it may", "memory timeout", "x = b'x' * (900 << 20)\ntime.sleep(600)"),
    bad("grows", "memory done timeout", "x = []\nwhile True: x.append(os.urandom(1 << 22))"),
    bad("children that hold more together", "memory timeout",
        "def hold():\n    x = os.urandom(1 << 20) * 250\n    time.sleep(600)\nfor _ in range(4): forked(hold)\ntime.sleep(600)"),
    bad("shared memory", "memory timeout", "m = mmap.mmap(-1, 900 << 20)\nfor i in range(0, len(m), 4096): m[i] = 1\ntime.sleep(600)"),
    bad("an absurd allocation", "done", "bytearray(1 << 50)"),
    bad("an absurd tensor", "done", "torch.empty(1 << 50)"),
    bad("a list of everything", "done memory timeout", "list(range(10**12))"),
)  # fmt: skip

FLOODS = (
    bad("50 MB printed", "done timeout", "for _ in range(50): print('x' * 1_000_000)", passes=True),
    bad("one line of 30 MB", "done timeout", "sys.stdout.write('x' * 30_000_000)", passes=True),
    bad("both outputs at once", "done timeout", "for _ in range(20_000): print('o'); print('e', file=sys.stderr)", passes=True),
    bad("a message of 20 MiB", "crash timeout", "send(b'x' * (20 << 20) + b'\\n'); time.sleep(600)"),
    bad("garbage for messages", "done crash timeout", "send(os.urandom(100_000) + b'\\n')", passes=True),
    bad("a NUL for a message", "done crash timeout", "send(b'\\0' * 1000 + b'\\n')", passes=True),
    bad("half a message", "done crash", "send('{\"event\": \"shown\", \"claim\": \"one\", \"item\"')", passes=True),
    bad("brackets without end", "crash done", "send('[' * 200_000 + '\\n'); time.sleep(.2)", passes=True),
    bad("a forged end", "crash timeout done", "send('{\"event\": \"exit\", \"code\": 0}\\n'); time.sleep(600)"),
    bad("a forged end of the claims", "crash timeout done", "send('{\"event\": \"done\"}\\n'); time.sleep(600)"),
    bad("a forged pid", "crash timeout memory done",
        "send('{\"event\": \"hello\", \"pid\": 1, \"torch\": \"2\"}\\n'); time.sleep(.3)", passes=True),
    bad("a claim of another demo", "crash", "send('{\"event\": \"started\", \"claim\": \"other\"}\\n'); time.sleep(.2)", passes=True),
    bad("100,000 checks", "done crash timeout", "for i in range(100_000): expect('n', 1, equals=1)"),
    bad("200,000 steps of progress", "done timeout", "for i in range(200_000): progress(i, 200_000)", passes=True),
    bad("10,000 tables", "done timeout", "for i in range(10_000): show(table({'a': [i] * 20}))", passes=True),
    bad("bytes that are no text", "done", "sys.stdout.flush(); os.write(1, bytes(range(256)) * 100)", passes=True),
    bad("escape sequences", "done", "print('\\x1b]0;X\\x07\\x1b[2J\\x9b31m\\u202e' * 1000)", passes=True),
)  # fmt: skip

EVIDENCE = (
    bad("no numbers", "done", "show(lines('x', [1, 2], {'y': [float('nan'), float('inf')]}), heatmap([[float('nan')]]))", passes=True),
    bad("the largest numbers", "done",
        "show(lines('x', [1e308, -1e308], {'y': [1e308, -1e308]}), bars(['a', 'b'], {'y': [1e308, 5e-324]}),"
        " heatmap([[1e308, -1e308]]), lines('x', [1.7e308, 1.6e308], {'y': [5e-324, 1e-320]}, log='xy'))", passes=True),
    bad("whole numbers of 400 digits", "done crash", "show(table({'a': [10**400]}), lines('x', [1, 2], {'y': [10**400, 1]}))", passes=True),
    bad("whole numbers of 5,000 digits", "done crash", "show(table({'a': [10**5000]}))", passes=True),
    bad("a label of a megabyte", "done", "show(lines('x' * 10**6, [1], {'y' * 10**6: [1]}, title='t' * 10**6))", passes=True),
    bad("a title of 100,000 lines", "done", "show(table({'a': [1]}, title='t\\n' * 100_000))", passes=True),
    bad("a label in Chinese without a break", "done", "show(bars(['注意力' * 50_000], {'y': [1]}))", passes=True),
    bad("a formula without end", "done", "show(table({'$$' + '\\\\sqrt{' * 5000: [1]}, title='$$' + '\\\\frac{' * 5000))", passes=True),
    bad("control characters everywhere", "done",
        "x = '\\x1b[2J\\x00\\u202e\\ud800'\nshow(table({x: [x]}, title=x), bars([x], {x: [1]}), lines(x, [x], {x: [1]}))\n"
        "expect(x, 1, equals=1, at=(x, 1))"),
    bad("2,000 curves", "done", "show(lines('x', [1, 2], {str(i): [i, i] for i in range(2000)}))", passes=True),
    bad("a curve of 100,000 points", "done timeout", "show(lines('x', range(100_000), {'y': range(100_000)}))", passes=True),
    bad("a heatmap of 700 × 700", "done timeout", "show(heatmap([[i * j for j in range(700)] for i in range(700)]))", passes=True),
    bad("a table of 50,000 rows", "done timeout", "show(table({'a': range(50_000)}))", passes=True),
    bad("a ragged table", "done", "show(table({'a': [1], 'b': [1, 2]}))"),
    bad("a value that cannot be written", "done crash timeout",
        "class V:\n    def __float__(self): raise MemoryError\n    __str__ = __repr__ = __float__\nshow(table({'a': [V()]}))"),
    bad("a tensor on no device", "done", "show(table({'a': torch.empty(3, device='meta')}))"),
    bad("a list in itself", "done crash", "x = []\nx.append(x)\nshow(table({'a': x}))"),
    bad("expects nan", "done", "expect('n', float('nan'), equals=float('nan'))"),
    bad("expects nothing", "done", "expect('n', [], equals=[])"),
)  # fmt: skip

SURROUNDINGS = (
    bad("leaves its folder", "done", "os.chdir('/')", passes=True),
    bad("removes its folder", "done", "shutil.rmtree(os.getcwd())", passes=True),
    bad("locks its folder", "done", "os.makedirs('a/b/c'); os.chmod('a/b', 0); os.chmod('.', 0)", passes=True),
    bad("links out of its folder", "done",
        "os.symlink(VICTIM, 'link'); os.symlink('/', 'root'); os.link(VICTIM / 'kept', 'hard')", passes=True),
    bad("400 folders deep", "done",
        "for i in range(400): os.mkdir('d'); os.chdir('d')\nPath('end').write_text('x')", passes=True),
    bad("names that are no text", "done", "open(b'\\xff\\n\\x1b', 'w').write('x'); os.mkfifo('fifo')", passes=True),
    bad("a file of 200 MB", "done timeout", "Path('big').write_bytes(bytes(200 << 20))", passes=True),
    bad("writes beside the app's data", "done", "(VICTIM / 'more').write_text('x')", passes=True),
    bad("no environment", "done", "os.environ.clear()", passes=True),
    bad("no umask", "done", "os.umask(0o777); Path('f').write_text('x'); os.mkdir('d')", passes=True),
    bad("no path", "done", "sys.path.clear(); sys.modules.clear()", passes=True),
    bad("json replaced", "done crash", "json.dumps = lambda *a, **k: 'x'"),
    bad("no builtins", "done crash", "import builtins\nfor n in ('len', 'open', 'print', 'isinstance', 'str'): delattr(builtins, n)"),
    bad("no output", "done", "sys.stdout = sys.stderr = None", passes=True),
    bad("outputs closed", "done", "os.close(0); os.close(1); os.close(2)", passes=True),
    bad("everything closed", "crash timeout", "os.closerange(0, 4096)", passes=True),
    bad("messages into the output", "done crash timeout",
        "for fd in range(3, 64):\n    try: os.dup2(1, fd)\n    except OSError: pass", passes=True),
    bad("no file may be opened", "done crash", "resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))", passes=True),
    bad("no byte may be written", "done crash", "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)); Path('f').write_text('x' * 9)"),
    bad("the messages not to be waited for", "done crash timeout",
        "for fd in range(3, 64):\n    try: os.set_blocking(fd, False)\n    except OSError: pass\n"
        "show(table({'a': range(200_000)}))", passes=True),
    bad("traced", "done timeout", "sys.settrace(lambda *a: None); sys.setswitchinterval(1e-6)", passes=True),
    bad("another number type", "done",
        "torch.set_default_dtype(torch.float64); torch.set_num_threads(64); torch.manual_seed(3)", passes=True),
    bad("nice", "done", "os.nice(19)", passes=True),
)  # fmt: skip

LOADING = (
    loading("raises when loaded", "crash", "raise RuntimeError('\\x1b[31mx')"),
    loading("exits when loaded", "crash", "os._exit(3)"),
    loading("leaves when loaded", "crash", "sys.exit()"),
    loading("hangs when loaded", "timeout", SLEEP),
    loading("dies when loaded", "crash", "ctypes.string_at(0)"),
    loading("forks when loaded", "done", f"forked(lambda: {SLEEP})"),
    loading("floods when loaded", "done timeout", "for _ in range(10): print('x' * 1_000_000)"),
    loading("imports what is not there", "crash", "import nothing_of_the_kind"),
    loading("takes its own name away", "done crash", "sys.modules.pop(__name__, None)"),
    loading("speaks before its claims", "done crash timeout", "send('{\"event\": \"done\"}\\n')"),
)  # fmt: skip

DEMOS = (*EXITS, *HANGS, *FORKS, *MEMORY_TAKEN, *FLOODS, *EVIDENCE, *SURROUNDINGS, *LOADING)


@dataclass(frozen=True)
class Trial:
    """One demo: how it ended, after how long, the longest pause of the event loop, and what was wrong."""

    name: str
    reason: str
    seconds: float
    lag: float
    problems: tuple[str, ...]


async def trial(lab: LabClient, one: BadDemo, folder: Path, mark: str) -> Trial:
    """Run one demo and look at everything that must be so."""
    problems: list[str] = []
    victim = folder / "beside"
    victim.mkdir(exist_ok=True)
    (victim / "kept").write_text("kept")
    await lab.start()
    pauses: list[float] = []
    ticking = asyncio.create_task(tick(pauses))
    begun, events = time.monotonic(), []
    try:
        async with asyncio.timeout(END_SECONDS):
            async for event in lab.run(written(one, folder, victim), timeout=TIMEOUT, memory=MEMORY):
                events.append(event)
    except TimeoutError:
        problems.append(f"no end within {END_SECONDS:g} s")
    except Exception as error:
        problems.append(f"the app's side raised {error!r}")
    seconds = time.monotonic() - begun
    ticking.cancel()
    lag = max(pauses, default=0.0)
    if lag > LAG_SECONDS:
        problems.append(f"the app did not answer for {lag:.1f} s")
    end = events[-1] if events and isinstance(events[-1], Ended) else None
    if end is None or sum(isinstance(e, Ended) for e in events) != 1:
        problems.append("it did not end once")
    elif end.reason not in one.ends.split():
        problems.append(f"it ended as {end.reason}: {end.message[-200:]}")
    texts = [str(e) for e in events if isinstance(e, Checked | Finished)]
    texts += [end.why(Translations.load(language)) for language in LANGUAGES] if end else []
    if any(set(text) & set("\x1b\x07\x9b\u202e\0") for text in texts):
        problems.append("a control character came through")
    if end and any(not 0 < len(end.why(Translations.load(language))) < 2000 for language in LANGUAGES):
        problems.append("its end is no sentence")
    for event in events:
        if isinstance(event, Shown):
            problems += undrawable(event.item)
    problems += await left(lab, mark)
    if (victim / "kept").read_text() != "kept":
        problems.append("a file outside its folder was changed")
    if not await answers(lab, folder):
        problems.append("the lab runs no good demo after it")
    return Trial(one.name, end.reason if end else "", seconds, lag, tuple(dict.fromkeys(problems)))


def written(one: BadDemo, folder: Path, victim: Path) -> Demo:
    """The demo in a file, read."""
    body = one.body if one.whole else claim(one.body)
    return catalogued(folder / "bad", HEAD.replace("{victim!r}", repr(str(victim))) + body)


def catalogued(folder: Path, source: str) -> Demo:
    path = folder / "attention" / "sample.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source, encoding="utf-8")
    return Catalog.load(folder).demos["attention/sample"]


async def tick(pauses: list[float]) -> None:
    """How much the event loop computes before it comes back to one who asks it a hundred times a second, in seconds of CPU."""
    while True:
        before = time.thread_time()
        await asyncio.sleep(0.01)
        pauses.append(time.thread_time() - before)


def undrawable(item: Evidence) -> list[str]:
    """What of a shown thing cannot be drawn, or not in time."""
    found: list[str] = []
    for name, draw in (("text", lambda: chart(item, 80, 20)), ("picture", lambda: picture(item)), ("table", lambda: evidence_html(item))):
        begun = time.process_time()
        try:
            draw()
        except Exception as error:
            found.append(f"no {name} can be drawn: {error!r}")
        if time.process_time() - begun > DRAW_SECONDS:
            found.append(f"its {name} took {time.process_time() - begun:.1f} s of CPU")
    return found


async def left(lab: LabClient, mark: str) -> list[str]:
    """The processes that are still there a while after the end, the worker aside."""
    until = time.monotonic() + GONE_SECONDS
    while True:
        there = set(marked(mark)) - {lab.pid}
        if lab.pid is not None and alive(lab.pid):
            there |= {pid for pid in children(lab.pid) if alive(pid)}
        if not there:
            return []
        if time.monotonic() > until:
            for pid in there:
                with contextlib.suppress(OSError):
                    os.kill(pid, 9)
            return [f"left running: {len(there)} processes"]
        await asyncio.sleep(0.02)


def marked(mark: str) -> list[int]:
    """Processes that run and were begun with this mark in their environment."""
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if mark.encode() in environ.read_bytes() and alive(int(environ.parent.name)):
                found.append(int(environ.parent.name))
    return found


async def answers(lab: LabClient, folder: Path) -> bool:
    """Whether the lab runs a good demo."""
    head = '"""A demo.\n\n演示。"""\nfrom studyapp.evidence import expect\n\n\n'
    events = [event async for event in lab.run(catalogued(folder / "good", head + HOLDS), timeout=30)]
    return isinstance(events[-1], Ended) and events[-1].ok


async def _campaign(demos: Sequence[BadDemo], told: Callable[[Trial], None]) -> list[Trial]:
    mark, trials = f"{MARK}={uuid.uuid4()}", []
    os.environ[MARK] = mark.partition("=")[2]
    try:
        with tempfile.TemporaryDirectory() as folder:
            async with LabClient() as lab:
                for one in demos:
                    trials.append(await trial(lab, one, Path(folder), mark))
                    told(trials[-1])
    finally:
        del os.environ[MARK]
    return trials


def campaign(demos: Sequence[BadDemo] = DEMOS, told: Callable[[Trial], None] = lambda _: None) -> list[Trial]:
    """These demos one after the other in one lab; loading may take less time than in the app."""
    own, demo_run.LOAD_SECONDS = demo_run.LOAD_SECONDS, LOAD
    try:
        return asyncio.run(_campaign(demos, told))
    finally:
        demo_run.LOAD_SECONDS = own


def main() -> None:
    """Run the campaign and say what was wrong; leaves with 1 where something was."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=1)
    parser.add_argument("--only", default="", help="demos whose name holds this")
    options = parser.parse_args()
    demos = [one for one in DEMOS if options.only in one.name] * min(100, options.times)

    def told(one: Trial) -> None:
        state = "; ".join(one.problems) or "well"
        print(f"{one.name:<52} {one.reason:<8} {one.seconds:>5.1f} s   pause {one.lag:.2f} s   {state}", flush=True)

    trials = campaign(demos, told)
    wrong = [one for one in trials if one.problems]
    print(f"{len(trials)} demos, {len(wrong)} with something wrong, longest pause of the app {max(t.lag for t in trials):.2f} s")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
