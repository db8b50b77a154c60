"""What Study and Lab share: evidence beside something, its keys, and claims that run, one run at a time."""

from collections.abc import Mapping, Sequence
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Any

from textual import on, work
from textual.events import DescendantBlur, DescendantFocus
from textual.widget import Widget
from textual.widgets import Input
from textual.worker import Worker

from studyapp.bank.refs import demo_and_claim
from studyapp.context import AppContext
from studyapp.i18n import Translations
from studyapp.lab.collect import RunFold
from studyapp.lab.demo import Demo
from studyapp.lab.protocol import Ended, Finished, Output, RunEvent, Started
from studyapp.tui.commands import shown
from studyapp.tui.editor import edit
from studyapp.tui.keymap import keymap, with_keys
from studyapp.tui.screens.base import BaseScreen
from studyapp.tui.screens.dialogs import CodeView
from studyapp.tui.widgets.evidence_panel import EvidencePanel
from studyapp.tui.widgets.key_footer import KeyFooter, keys_content
from studyapp.tui.widgets.parameter_form import ParameterForm

BACK = {"keys.study_pane": "keys.study_pane_back", "keys.lab_pane": "keys.lab_pane_back", "keys.quiz_pane": "keys.quiz_pane_back"}


def _running(claim: str, t: Translations) -> str:
    return t("lab.running", claim=claim)


class DemoScreen(BaseScreen):
    """A screen with an EvidencePanel in it."""

    def __init__(self, context: AppContext) -> None:
        super().__init__(context)
        self.lab_run: Worker[None] | None = None
        self.pane = "beside"

    @property
    def panel(self) -> EvidencePanel:
        """The evidence."""
        return self.query_one(EvidencePanel)

    # ------------------------------------------------------------------ the two panes

    def beside(self) -> Widget:
        """What scrolls beside the evidence."""
        raise NotImplementedError

    def to_pane(self, pane: str) -> None:
        """The pane that scrolls, "evidence" or another; where it is narrow, the one that is seen."""
        self.pane = pane
        self.place_panes()
        self.footer()

    @property
    def wide(self) -> bool:
        """Whether both panes stand side by side."""
        return self.app.size.width >= self.WIDE

    def place_panes(self) -> None:
        """Show what is to be seen now."""
        raise NotImplementedError

    def display_only(self, shown: Mapping[str, bool]) -> None:
        """Show or hide widgets by selector, and lay out once.

        Neither by a class on the screen, which would style every paragraph of the answer anew, nor by `display`, which asks
        for the regions of what is laid out after each change, and so lays the whole screen out once for each.
        """
        changed = [w for s, display in shown.items() if (w := self.query_one(s)).display is not display]
        for widget in changed:
            widget.styles.inline.set_rule("display", "none" if widget.display else "block")
        for widget in changed:
            widget.refresh(layout=True, repaint=False)

    def action_pane(self) -> None:
        """To the evidence, or back; from field to field in a form."""
        if isinstance(self.focused, Input):
            self.focus_next(Input)
        else:
            self.to_pane("beside" if self.pane == "evidence" else "evidence")

    def scrolled(self) -> Widget:
        """The pane that is meant."""
        return self.panel.pane if self.pane == "evidence" else self.beside()

    def footer(self) -> None:
        """The keys of the moment; esc by what it does now."""
        keys = []
        for command in with_keys(shown(self.scope, " ".join(self.states())), keymap(self.context.settings.keys)):
            name = self.key_text(command.text_key)
            if command.action == "leave":
                name = self.t("keys.stop") if self.running else self.t("keys.leave_field") if self._in_field else name
            keys.append((command.label, name, command.target))
        if self.query(KeyFooter):
            self.put("KeyFooter", keys_content(keys))

    def states(self) -> list[str]:
        """What the footer goes by: the phase, and what can be done now."""
        seen = self.panel.display and (self.wide or self.pane == "evidence")
        claim = self.panel.claim if seen else None
        asked = seen and self.panel.awaits_guess
        parts = {"evidence": seen, "guess": asked, "breaks": claim is not None and bool(claim.breaks) and not asked}
        return [self.phase, *(name for name, there in parts.items() if there)]

    def key_text(self, key: str) -> str:
        """The name of a command; that of the pane it leads to."""
        return super().key_text(BACK.get(key, key) if self.pane == "evidence" else key)

    @property
    def _in_field(self) -> bool:
        return isinstance(self.focused, Input)

    @on(DescendantFocus)
    @on(DescendantBlur)
    def _keyboard_moved(self) -> None:
        self.footer()

    # ------------------------------------------------------------------ keys on the evidence

    def action_step(self, by: int) -> None:
        """The next claim, or the one before."""
        self.panel.step(by)

    def action_checks(self) -> None:
        """Unfold the checks that hold, or fold them."""
        self.panel.fold()

    def action_code(self) -> None:
        """Read the demo of the claim on show, at the claim."""
        if demo := self.panel.demo:
            self.app.push_screen(CodeView(self.context, demo, self.panel.claim))
        else:
            self.tell(self.t("lab.no_demo"))

    def action_reset(self) -> None:
        """All parameters back to their defaults."""
        self.query_one(ParameterForm).reset()

    async def action_parameters(self) -> None:
        """Open the form of the demo on show, beside its evidence."""
        if (demo := self.panel.demo) is None:
            self.tell(self.t("lab.no_demo"))
            return
        form = self.panel.form
        await form.open(demo)
        form.enter()
        self.call_after_refresh(self.panel.pane.scroll_to_widget, form, top=True, animate=False)
        self.footer()

    def action_guess(self) -> None:
        """Guess the number of the claim on show, before its evidence."""
        if self.panel.awaits_guess:
            self.panel.ask_guess()
            self.footer()

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if event.input is self.panel.field:
            self._take_guess(event.value)
        else:
            self.action_run_demo()

    def _take_guess(self, typed: str) -> None:
        with self.telling():
            try:
                self.panel.take_guess(typed)
            finally:
                if not self.panel.field.display:
                    self.set_focus(None)
                    self.footer()

    def leave_field(self) -> bool:
        """Give the keyboard back to the screen; whether a field had it."""
        if not self._in_field:
            return False
        self.set_focus(None)
        return True

    async def action_edit_demo(self) -> None:
        """Open the demo of the claim on show in the learner's editor."""
        if demo := self.panel.demo:
            if self.edited(demo.path):
                self.stop_run()
                self.context.catalog.demos.forget(demo.name)
                self.panel.form.close()
                await self.show()
        else:
            self.tell(self.t("lab.no_demo"))

    def edited(self, path: Path) -> bool:
        """Open a file in the learner's editor; whether it was changed."""
        with self.telling():
            return edit(self.app, path)
        return False

    def copy(self, text: str) -> None:
        """A text to the clipboard."""
        self.app.copy_to_clipboard(text)
        self.tell(self.t("study.copied", n=len(text.splitlines())))

    # ------------------------------------------------------------------ running

    def runnable(self) -> Sequence[str]:
        """The claims that `r` runs."""
        raise NotImplementedError

    def action_run_demo(self) -> None:
        """Run the claims here, with the values of the form where it is open."""
        form = self.panel.form
        refs, values = list(self.runnable()), {}
        if form.display and form.demo:
            refs = [r for r in refs if self.context.demo(r) is form.demo]
            given = form.values([demo_and_claim(r)[1] for r in refs])
            if given is None:
                return
            refs, values = self._concerned(refs, given), dict(given)
        if refs:
            self.run_claims(refs, values)
        else:
            self.tell(self.t("lab.no_demo"))

    def action_try(self) -> None:
        """Run the current claim in its first known wrong way that was not tried yet, then in the next."""
        claim, ref = self.panel.claim, self.panel.current
        if claim is None or not claim.breaks:
            self.tell(self.t("lab.no_break"))
            return
        tried = [dict(run.parameters) for run in self.context.history.of(ref)]
        ways = [dict(b.parameters) for b in claim.breaks]
        fresh = [w for w in ways if w not in tried]
        after = ways[(ways.index(tried[0]) + 1) % len(ways)] if tried and tried[0] in ways else ways[0]
        self.run_claims([ref], fresh[0] if fresh else after)

    def _concerned(self, refs: Sequence[str], values: Mapping[str, Any]) -> list[str]:
        """Those that take a parameter which was turned, or was when they last ran; all where none is turned."""

        def is_concerned(ref: str) -> bool:
            claim, runs = self.context.claim(ref), self.context.history.of(ref)
            turned = claim is not None and any(k in values and values[k] != v for k, v in claim.parameters.items())
            return turned or bool(runs and runs[0].parameters)

        return [ref for ref in refs if is_concerned(ref)] if values else list(refs)

    def run_claims(self, refs: Sequence[str], parameters: Mapping[str, Any]) -> None:
        """Run claims in the lab, one demo after the other, in place of what runs."""
        self.stop_run()
        wanted: dict[str, list[str]] = {}
        for ref in refs:
            if self.context.claim(ref):
                demo, claim = demo_and_claim(ref)
                wanted.setdefault(demo, []).append(claim)
        if wanted:
            self.lab_run = self._run(wanted, dict(parameters))
            self.panel.head.tell(self.context.t, lambda t: t("lab.queued"))
            self.call_after_refresh(self.panel.bring_low)
            self.footer()

    @work(exclusive=True, group="lab", exit_on_error=False)
    async def _run(self, wanted: Mapping[str, Sequence[str]], parameters: dict[str, Any]) -> None:
        for name, claims in wanted.items():
            demo = self.context.catalog.demos[name]
            self.context.history.turned[name] = parameters
            stream, fold = self.context.lab.run(demo, claims=claims, parameters=parameters), RunFold()
            try:
                async with aclosing(stream):
                    async for event in stream:
                        fold.take(event)
                        if isinstance(event, Ended) and event.reason not in ("done", "cancelled"):
                            self.context.history.end(name, event.why(self.context.t))
                            for outcome in fold.unfinished():
                                self.context.live.note(demo, outcome, parameters)
                        self._heard(event, demo, parameters)
            finally:
                self.context.history.end(name)
        self.panel.text.redraw()
        self.lab_run = None
        self.footer()
        await self.ran()

    def _heard(self, event: RunEvent, demo: Demo, parameters: Mapping[str, Any]) -> None:
        panel = self.panel
        self.context.history.take(demo, event, parameters)
        match event:
            case Started():
                panel.head.tell(self.context.t, partial(_running, event.claim))
            case Finished():
                self.context.live.note(demo, event, parameters)
            case Output():
                panel.text.output = event.text.strip()
            case Ended():
                panel.head.tell(self.context.t, event.why)
        self.paint_soon(panel.text.redraw)

    async def ran(self) -> None:
        """What the screen does once a run is over."""

    @property
    def running(self) -> bool:
        """Whether claims run."""
        return self.lab_run is not None and self.lab_run.is_running

    def stop_run(self) -> bool:
        """Stop what runs; whether anything did."""
        if self.lab_run is None or not self.lab_run.is_running:
            return False
        self.lab_run.cancel()
        self.lab_run = None
        return True

    def halt(self) -> bool:
        """Stop what runs and say so beside the claims; whether anything did."""
        if not self.stop_run():
            return False
        self.context.history.end()
        self.panel.head.tell(self.context.t, lambda t: t("lab.cancelled"))
        self.panel.text.redraw()
        self.footer()
        return True
