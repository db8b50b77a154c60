"""Write: a function to write, the learner's file of it in the editor, and the claims that judge it at each save."""

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.content import Content
from textual.events import Resize
from textual.widget import Widget

from studyapp.context import AppContext
from studyapp.lab.attempts import stamp
from studyapp.lab.exercise_file import hints
from studyapp.lab.history import ClaimRun
from studyapp.tui.commands import bindings
from studyapp.tui.editor import edit
from studyapp.tui.screens.judged import Judged
from studyapp.tui.widgets.claim_view import STATES, ClaimPage
from studyapp.tui.widgets.key_footer import KeyFooter
from studyapp.tui.widgets.layout import Horizontal, Pane, Static, Vertical
from studyapp.tui.widgets.written_text import JudgedText, TaskText

WATCH_SECONDS = 0.3
SIGNS = {**STATES, "skipped": ("◌", "$foreground-muted")}


class WriteScreen(Judged):
    """One of several functions: the task left, the claims right; where it is narrow, one or the other."""

    scope = "write"
    BINDINGS: ClassVar = bindings("write")
    AUTO_FOCUS = ""

    def __init__(self, context: AppContext, refs: Sequence[str]) -> None:
        """`refs` name functions of demos, "topic/demo.function", all of which there are."""
        super().__init__(context, refs)
        self.pane, self.hinted, self.peeked = "task", 0, 0

    def compose(self) -> ComposeResult:
        """Task left, claims right."""
        yield Static(id="title", markup=False)
        with Horizontal(id="body"):
            with Pane(id="left", can_focus=False):
                yield TaskText(id="task")
            with Vertical(id="right"), Pane(id="claims-scroll", can_focus=False):
                yield JudgedText(self.context, id="judged")
        yield KeyFooter()

    async def begin(self) -> None:
        """Draw, judge what was written before, and watch the file."""
        await self.show()
        self.judge_file()
        self.set_interval(WATCH_SECONDS, self.look)

    # ------------------------------------------------------------------ drawing

    async def show(self) -> None:
        """Task and claims, in the language of now."""
        place = self.t("write.place", n=self.index + 1, of=len(self.refs)) if len(self.refs) > 1 else ""
        self.put("#title", self.title_line(self.t("write.title"), self.ref, place))
        self.phase = "several" if len(self.refs) > 1 else ""
        self._draw_task()
        self.draw_claims()
        self._place_panes()
        self.footer()

    def _draw_task(self) -> None:
        t, language = self.context.t, self.context.language
        path = self.context.attempts.path(self.ref)
        blocks = [("", self.exercise.head, True), (t("write.file"), str(path) if path.exists() else t("write.no_file"), False)]
        told = hints(self.demo, self.exercise, language)[: self.hinted]
        blocks += [(t("write.hint_of", n=n), text, False) for n, text in enumerate(told, 1)]
        blocks += [(t("write.body"), self.exercise.body, True)] if self.peeked > 1 else []
        self.query_one(TaskText).fill(blocks)

    def draw_claims(self) -> None:
        pages = [self._page(name, place == self.current) for place, name in enumerate(self.exercise.claims)]
        self.query_one(JudgedText).fill(self.demo, self._status(), pages, self.current)

    def _status(self) -> Content:
        """How what stands in the file came out."""
        t, result = self.context.t, self.judgement
        if self.problem is not None:
            said = "\n".join(t.message(text) for text in (self.problem.message, self.problem.hint) if text)
            return Content.styled(said, "$warning")
        if self.running:
            return Content.styled(t("write.judging"), "$accent")
        if result is None:
            return Content.styled(t("write.nothing"), "$foreground-muted")
        if result.held:
            return Content.styled(t("write.all_hold"), "bold $success")
        held = sum(result.state(name) == "held" for name in result.claims)
        return Content.styled(t("write.some_hold", held=held, n=len(result.claims)), "bold")

    def _page(self, name: str, current: bool) -> ClaimPage:
        ref = f"{self.demo.name}.{name}"
        run = next(iter(self.history.of(ref)), None)
        sign, style = SIGNS.get(run.state if run else "", ("·", "$foreground-muted"))
        sentence = self.demo.claim(name).sentence[self.context.language]
        if not current:
            return ClaimPage(ref, sentence, sign, style, "")
        runs = [(run, self.t("write.got"))] if run else []
        evidence = self.context.recorded_evidence(ref) or self.expected.get(name, ())
        if evidence and (run is None or run.state not in ("held", "running")):
            runs.append((ClaimRun("held", {}, evidence), self.t("write.expected")))
        return ClaimPage(ref, sentence, sign, style, "", tuple(runs), signed=run is not None)

    def _place_panes(self) -> None:
        wide = self.app.size.width >= self.WIDE
        self.query_one("#left").display = wide or self.pane == "task"
        self.query_one("#right").display = wide or self.pane == "claims"
        self.query_one("#right").set_class(self.pane == "claims", "-active")

    def on_resize(self, _: Resize) -> None:
        """There may be room for both now."""
        self._place_panes()

    def key_text(self, key: str) -> str:
        """The name of a command; that of the pane it leads to."""
        return super().key_text("keys.write_pane_back" if key == "keys.write_pane" and self.pane == "claims" else key)

    # ------------------------------------------------------------------ keys

    def action_edit(self) -> None:
        """Open the file in the learner's editor."""
        with self.telling():
            path = self.context.begin_attempt(self.demo, self.exercise)
            self.seen = self.seen or stamp(path)  # the file as it is made is no saving
            edit(self.app, path)
        self._draw_task()
        self.look()

    def action_run_demo(self) -> None:
        """Run the claims once more."""
        self._to_pane("claims")
        self.judge_file()
        if self.run is None and self.problem is None:
            self.tell(self.t("write.nothing"))

    def action_hint(self) -> None:
        """The next hint."""
        if self.hinted < len(hints(self.demo, self.exercise, self.context.language)):
            self.hinted += 1
            self._told()
        else:
            self.tell(self.t("write.no_more_hints"))

    def action_peek(self) -> None:
        """The demo's own body, once it was asked for twice."""
        self.peeked += 1
        if self.peeked == 1:
            self.tell(self.t("write.peek_again"))
        else:
            self._told()

    def _told(self) -> None:
        self._to_pane("task")
        self._draw_task()
        task, pane = self.query_one(TaskText), self.query_one("#left", Pane)
        self.call_after_refresh(lambda: pane.scroll_to(y=task.tops[-1], animate=False))

    async def action_next(self) -> None:
        """The next of several functions."""
        if len(self.refs) > 1:
            self.stop()
            self.index = (self.index + 1) % len(self.refs)
            self.take()
            self.hinted = self.peeked = 0
            await self.show()
            self.scrolled().scroll_home(animate=False)
            self.judge_file()

    def action_copy(self) -> None:
        """The path of the file, which is made where there is none, to the clipboard."""
        with self.telling():
            path = self.context.begin_attempt(self.demo, self.exercise)
            self.seen = self.seen or stamp(path)
            self.app.copy_to_clipboard(str(path))
            self.tell(self.t("write.copied"))
            self._draw_task()

    def action_move(self, by: int) -> None:
        """The next claim, or the one before."""
        self._to_pane("claims")
        self.current = (self.current + by) % len(self.exercise.claims)
        self.draw_claims()
        text, pane = self.query_one(JudgedText), self.query_one("#claims-scroll", Pane)
        self.call_after_refresh(lambda: pane.scroll_to(y=text.tops[self.current] if self.current else 0, animate=False))

    def action_checks(self) -> None:
        """Unfold the checks that hold, or fold them."""
        self.query_one(JudgedText).fold()

    def action_pane(self) -> None:
        """To the claims, or back to the task."""
        self._to_pane("task" if self.pane == "claims" else "claims")

    def saved(self) -> None:
        """To the claims; the task says where the file is."""
        self._to_pane("claims")
        self._draw_task()

    def _to_pane(self, pane: str) -> None:
        self.pane = pane
        self._place_panes()
        self.footer()

    def scrolled(self) -> Widget:
        """The pane that is meant."""
        return self.query_one("#left" if self.pane == "task" else "#claims-scroll")
