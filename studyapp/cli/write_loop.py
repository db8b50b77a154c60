"""Writing a function at a terminal: the editor, the claims that run at each save, and what is asked in between."""

import asyncio
import contextlib
import os
import shlex
import signal
import sys
from collections.abc import Sequence

import click

from studyapp.bank.refs import demo_and_claim
from studyapp.cli.judged import tell_judgement
from studyapp.context import AppContext
from studyapp.errors import DemoError, StudyError
from studyapp.evidence.types import Evidence
from studyapp.lab.attempts import stamp
from studyapp.lab.client import LabClient
from studyapp.lab.demo import Demo, Exercise
from studyapp.lab.exercise_file import hints, is_empty
from studyapp.lab.judging import Judgement, judge, shown_by_default
from studyapp.paths import editor_command
from studyapp.plaintext import printable

WATCH_SECONDS = 0.25
JUDGED, INTERRUPTED, LEFT = "\0judged", "\0interrupted", "\0left"
"""What may come beside a line that was typed."""


class WriteLoop:
    """One function, from its file being opened until the learner leaves."""

    def __init__(self, context: AppContext, demo: Demo, exercise: Exercise) -> None:
        self.context, self.demo, self.exercise = context, demo, exercise
        self.ref = f"{demo.name}.{exercise.name}"
        self.path = context.attempts.path(self.ref)
        self.lab = LabClient()
        self.events: asyncio.Queue[str] = asyncio.Queue()
        self.judging: asyncio.Task[None] | None = None
        self.seen = stamp(self.path)
        self.judgement: Judgement | None = None
        self.problem: StudyError | None = None
        self.told = True
        self.editing = False
        self.shown: dict[str, tuple[Evidence, ...]] = {}
        self.hints = hints(demo, exercise, context.language)
        self.typed = b""

    async def run(self) -> None:
        """Open the editor, then ask what next until the learner leaves.

        Raises:
            StudyError: where the file cannot be made or the editor cannot be started.
        """
        self.context.begin_attempt(self.demo, self.exercise)
        self.seen = stamp(self.path)
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, self._interrupted)
        watching = asyncio.create_task(self._watch())
        starting = asyncio.create_task(self.lab.start())
        try:
            click.echo(printable(str(self.path)))
            await self._edit()
            await self._ask()
        finally:
            loop.remove_signal_handler(signal.SIGINT)
            for task in filter(None, (watching, starting, self.judging)):
                task.cancel()
            await asyncio.gather(*filter(None, (watching, starting, self.judging)), return_exceptions=True)
            await self.lab.close()

    # ------------------------------------------------------------------ the editor and the file

    async def _edit(self) -> None:
        """The learner's editor, to its end; the terminal is its own meanwhile, and an interrupt is meant for it."""
        command = editor_command()
        self.editing = True
        try:
            process = await asyncio.create_subprocess_exec(*shlex.split(command), str(self.path))
            code = await process.wait()
        except (OSError, ValueError) as error:
            raise StudyError(
                "the editor {command!r} cannot be started", "set EDITOR; the file is {path}", command=command, path=self.path
            ) from error
        finally:
            self.editing = False
        if code:
            raise StudyError(
                "the editor {command!r} left with exit code {code}", "the file is {path}", command=command, code=code, path=self.path
            )
        self._look()
        if self.told:  # nothing was saved: judged all the same, where something stands there
            self._judge()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            self._look()

    def _look(self) -> None:
        """Judge the file where it was saved since."""
        now = stamp(self.path)
        if now is not None and now != self.seen:
            self.seen = now
            self._judge()

    def _interrupted(self) -> None:
        if not self.editing:
            self.events.put_nowait(INTERRUPTED)

    # ------------------------------------------------------------------ judging

    def _judge(self) -> None:
        """Run the claims with what stands in the file now, in place of a run that goes on."""
        if self.judging is not None:
            self.judging.cancel()
        self.judgement, self.problem, self.told = None, None, False
        self.judging = asyncio.create_task(self._judge_file())
        self.judging.add_done_callback(lambda task: None if task.cancelled() else self.events.put_nowait(JUDGED))

    async def _judge_file(self) -> None:
        try:
            text = self.context.attempts.read(self.ref)
            if not is_empty(self.exercise, text):
                self.judgement = await judge(self.lab, self.demo, self.exercise, text)
                await self._keep(self.judgement)
        except StudyError as error:
            self.problem = error

    async def _keep(self, judgement: Judgement) -> None:
        if judgement.ended.reason == "unavailable":
            raise DemoError("{demo}: {why}", judgement.ended.message, demo=self.demo.name, why=judgement.ended.why(self.context.t))
        self.context.attempts.keep(self.ref, judgement.attempt(self.context.clock()))
        self.shown |= await shown_by_default(self.lab, self.demo, judgement, self._expected)

    def _expected(self, ref: str) -> Sequence[Evidence]:
        """What is known already of what a claim should show."""
        return self.context.recorded_evidence(ref) or self.shown.get(demo_and_claim(ref)[1], ())

    def _tell(self) -> None:
        """How the file came out, once."""
        t = self.context.t
        self.told = True
        if self.judging is not None:
            self.judging.result()  # a bug keeps its traceback
        click.echo()
        if self.problem is not None:
            for text in filter(None, (self.problem.message, self.problem.hint)):
                click.echo(f"! {printable(t.message(text))}")
        elif self.judgement is None:
            click.echo(t("write.nothing_yet", path=printable(str(self.path))))
        else:
            tell_judgement(self.context, self.demo, self.judgement, self.shown, pictures=True)
            held = sum(self.judgement.state(name) == "held" for name in self.judgement.claims)
            click.echo(t("write.all_hold") if self.judgement.held else t("write.some_hold", held=held, n=len(self.judgement.claims)))

    # ------------------------------------------------------------------ asking

    async def _ask(self) -> None:
        """What next, until the learner leaves; a save meanwhile is told at once."""
        t, loop = self.context.t, asyncio.get_running_loop()
        loop.add_reader(sys.stdin.fileno(), self._typed)
        try:
            while True:
                if self.judging is not None and not self.judging.done():
                    click.echo(t("write.judging"))
                else:
                    if not self.told:
                        self._tell()
                    click.echo(t("write.ask"), nl=False)
                match await self.events.get():
                    case "" | "e":
                        loop.remove_reader(sys.stdin.fileno())
                        await self._edit()
                        loop.add_reader(sys.stdin.fileno(), self._typed)
                    case "r":
                        self._judge()
                    case "h":
                        self._hint()
                    case "p":
                        click.echo(f"\n{self.exercise.head}\n{self.exercise.body}\n")
                    case "q" | "\0left" | "\0interrupted":
                        click.echo()
                        return
        finally:
            with contextlib.suppress(ValueError):
                loop.remove_reader(sys.stdin.fileno())

    def _typed(self) -> None:
        data = os.read(sys.stdin.fileno(), 4096)
        if not data:
            self.events.put_nowait(LEFT)
            asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        *lines, self.typed = (self.typed + data).split(b"\n")
        for line in lines:
            self.events.put_nowait(line.decode(errors="replace").strip().lower())

    def _hint(self) -> None:
        """The next thing that may be told, and in the end that there is no more."""
        rest: Sequence[str] = self.hints
        if rest:
            click.echo(f"\n{printable(rest[0])}\n")
            self.hints = list(rest[1:])
        else:
            click.echo(self.context.t("write.no_more_hints"))
