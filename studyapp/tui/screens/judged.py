"""A function that is being written: its file, the claims that judge it, and what they come to; the screen draws it."""

from collections.abc import Sequence
from dataclasses import replace

from textual import work
from textual.worker import Worker

from studyapp.context import AppContext
from studyapp.errors import StudyError
from studyapp.evidence.types import Evidence, exception_line
from studyapp.lab.attempts import stamp
from studyapp.lab.demo import Demo, Exercise
from studyapp.lab.exercise_file import is_empty
from studyapp.lab.history import RunHistory
from studyapp.lab.judging import Judgement, judge, own_line, shown_by_default
from studyapp.lab.protocol import Ended, Finished, RunEvent
from studyapp.tui.screens.base import BaseScreen, tell_error


class Judged(BaseScreen):
    """A screen over one of several functions, whose file is judged when it is saved.

    Attributes:
        judgement: how what stands in the file came out; None while it runs, and where there is nothing to judge.
        problem: why it could not be judged.
        history: the runs of the claims with it, apart from those that the cards show.
        expected: what claims without a recording show with the demo's own function.
        current: the claim under the cursor.
    """

    def __init__(self, context: AppContext, refs: Sequence[str]) -> None:
        """`refs` name functions of demos, "topic/demo.function", all of which there are."""
        super().__init__(context)
        self.refs, self.index = tuple(refs), 0
        self.run: Worker[None] | None = None
        self.take()

    def take(self) -> None:
        """The function at the index, as it was left."""
        self.ref = self.refs[self.index]
        named = self.context.exercise(self.ref)
        assert named is not None
        self.demo: Demo = named[0]
        self.exercise: Exercise = named[1]
        self.history = RunHistory()
        self.judgement: Judgement | None = None
        self.problem: StudyError | None = None
        self.expected: dict[str, tuple[Evidence, ...]] = {}
        self.current = 0
        self.seen = stamp(self.context.attempts.path(self.ref))

    def draw_claims(self) -> None:
        """Draw the claims as they stand."""
        raise NotImplementedError

    def saved(self) -> None:
        """What the screen does where the file was saved."""
        raise NotImplementedError

    def look(self) -> None:
        """Judge the file where it was saved since."""
        now = stamp(self.context.attempts.path(self.ref))
        if now is not None and now != self.seen:
            self.seen = now
            self.saved()
            self.judge_file()

    def judge_file(self) -> None:
        """Run the claims with what stands in the file, in place of what runs; nothing where nothing is written."""
        self.stop()
        self.judgement, self.problem = None, None
        self.history.clear()
        with self.telling():
            text = self.context.attempts.read(self.ref)
            try:
                if text and not is_empty(self.exercise, text):
                    self.run = self._run(text)
            except StudyError as error:
                self.problem = error
        self.draw_claims()

    @property
    def running(self) -> bool:
        """Whether claims run."""
        return self.run is not None and self.run.is_running

    @work(exclusive=True, group="write", exit_on_error=False)
    async def _run(self, text: str) -> None:
        demo, exercise, ref = self.demo, self.exercise, self.ref
        try:
            result = await judge(self.context.lab, demo, exercise, text, self._heard)
            if result.ended.reason == "unavailable":
                raise StudyError(result.ended.why(self.context.t))
            self.judgement = result
            self.context.attempts.keep(ref, result.attempt(self.context.clock()))
            self.expected |= await shown_by_default(self.context.lab, demo, result, self.context.recorded_evidence)
        except StudyError as error:
            if self.judgement is None:
                self.problem = error
            else:  # judged, but not kept
                tell_error(self.app, error, self.context.t)
        self.run = None  # not where it was cancelled: another may have taken its place
        if self.judgement is not None and not self.judgement.held:
            wrong = [i for i, name in enumerate(exercise.claims) if self.judgement.state(name) in ("broken", "crashed")]
            self.current = self.current if self.current in wrong else next(iter(wrong), self.current)
        self.draw_claims()

    def _heard(self, event: RunEvent) -> None:
        if isinstance(event, Ended) and event.reason not in ("done", "cancelled"):
            self.history.end(self.demo.name, event.why(self.context.t))
        if isinstance(event, Finished) and event.error and (line := own_line(event.error, self.demo)):
            told = f"{exception_line(event.error)} · {self.t('write.at_line', line=line[0], code=line[1])}"
            event = replace(event, error=told)
        self.history.take(self.demo, event, {})
        self.paint_soon(self.draw_claims)

    def stop(self) -> None:
        """Stop what runs."""
        if self.run is not None:
            self.run.cancel()
            self.run = None
