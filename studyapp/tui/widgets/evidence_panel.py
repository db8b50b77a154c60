"""The proof beside the card: each claim with what was recorded, and with what runs here."""

from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from studyapp.bank.model import SupportKind
from studyapp.bank.refs import ClaimRef, demo_and_claim
from studyapp.context import AppContext
from studyapp.evidence.types import Check, Evidence, exception_line
from studyapp.lab import protocol as e
from studyapp.lab.collect import RunFold
from studyapp.tui.marks import drawn
from studyapp.tui.widgets.claim_view import ClaimRun, ClaimView


class EvidencePanel(Vertical):
    """Claims under one another. It is handed the context's recordings and lab, and keeps the former run beside the new."""

    DEFAULT_CSS = """
    EvidencePanel { height: auto; }
    EvidencePanel #bench-claims { height: auto; }
    EvidencePanel #bench-heading { color: $accent; text-style: bold; }
    EvidencePanel #bench-state, EvidencePanel #bench-output { color: $text-muted; }
    """

    def __init__(self, context: AppContext, id: str | None = None) -> None:
        super().__init__(id=id)
        self.context = context
        self.claims: tuple[str, ...] = ()
        self.kinds: Mapping[str, SupportKind] = {}
        self.live: dict[str, list[ClaimRun]] = {}
        self.turned: dict[str, Mapping[str, Any]] = {}

    def compose(self) -> ComposeResult:
        """Heading, what goes on, the claims, what the demo printed."""
        yield Static(id="bench-heading", markup=False)
        yield Static(id="bench-state", markup=False)
        yield Vertical(id="bench-claims")
        yield Static(id="bench-output", markup=False)

    @property
    def views(self) -> dict[str, ClaimView]:
        """The claims on show by reference."""
        return {v.ref: v for v in self.query(ClaimView)}

    async def fill(self, claims: Sequence[str], kinds: Mapping[str, SupportKind] | None = None) -> None:
        """Show these claims with what was recorded of them; `kinds` says which carry their statements as toys."""
        self.kinds = kinds or {}
        words = self.context.t
        if tuple(claims) != self.claims:
            self.live.clear()
            self.turned.clear()
        self.claims = tuple(claims)
        self.query_one("#bench-heading", Static).update(words("study.proof") if claims else "")
        self._state("")
        self.query_one("#bench-output", Static).update("")
        place = self.query_one("#bench-claims", Vertical)
        await place.remove_children()
        await place.mount_all(self._view(ref) for ref in self.claims)

    def _state(self, text: str) -> None:
        self.query_one("#bench-state", Static).update(Content(text))

    def _view(self, ref: str) -> ClaimView:
        claim = self.context.claim(ref)
        if claim is None:
            return ClaimView(ref, self.context.t("lab.missing", claim=ref), *self._mark(ref))
        return ClaimView(ref, claim.sentence[self.context.language], *self._mark(ref), self._runs(ref))

    def _runs(self, ref: str) -> list[ClaimRun]:
        """The newest run, and the last before it with other parameters; the recorded one counts as a run.

        Where one holds that was recorded with the same parameters, the recorded one is only named: it would show the same
        again.
        """
        newest, *earlier = [*reversed(self.live.get(ref, [])), self._recorded(ref)]
        if not earlier:
            return [newest]
        other = next((run for run in earlier if run.parameters != newest.parameters), earlier[-1])
        same = newest.held and other.parameters == newest.parameters
        return [newest, replace(other, evidence=(), checks=()) if same else other]

    def _recorded(self, ref: str) -> ClaimRun:
        words, kept = self.context.t, self.context.recorded(ref)
        if kept is None:
            return ClaimRun(words("lab.unrecorded"))
        demo, claim = kept
        if claim.skipped:
            return ClaimRun(words("lab.skipped", why=claim.skipped))
        label = words(
            "lab.recorded", machine=demo.machine, torch=demo.torch, date=demo.date, seconds=f"{claim.seconds:.2g}"
        )
        mark = self.context.claim_verdict(ref)
        problem = mark.why(words) if mark.state == "stale" else ""
        return ClaimRun(label, claim.held, claim.evidence, claim.checks, problem)

    def _mark(self, ref: str) -> tuple[str, str]:
        return drawn(self.context.claim_verdict(ref, self.kinds.get(ref, "proof")))

    async def _refresh(self, ref: str) -> None:
        view = self.views.get(ref)
        if view:
            await view.show(*self._mark(ref), self._runs(ref))

    def reveal(self, ref: str) -> None:
        """Bring a claim into sight."""
        if view := self.views.get(ref):
            view.scroll_visible(top=True, animate=False)

    async def run(self, claims: Sequence[str], parameters: Mapping[str, Any]) -> None:
        """ClaimRun claims live, each demo once, evidence drawn as it comes."""
        wanted: dict[str, list[str]] = {}
        for ref in claims:
            if self.context.claim(ref):
                name, claim = demo_and_claim(ref)
                wanted.setdefault(name, []).append(claim)
        self._state(self.context.t("lab.queued" if wanted else "lab.no_demo"))
        for name, chosen in wanted.items():
            self.turned[name] = dict(parameters)
            await self._run_demo(name, chosen, parameters)

    async def _run_demo(self, name: str, chosen: Sequence[str], parameters: Mapping[str, Any]) -> None:
        words, demo = self.context.t, self.context.catalog.demos[name]
        shown: dict[str, tuple[list[Evidence], list[Check]]] = {}
        fold = RunFold()
        stream = self.context.lab.run(demo, claims=chosen, parameters=parameters)
        try:
            async with aclosing(stream):
                async for event in stream:
                    fold.take(event)
                    claim = getattr(event, "claim", "")
                    ref, (items, checks) = f"{name}.{claim}", shown.setdefault(claim, ([], []))
                    match event:
                        case e.Started():
                            self._state(words("lab.running", claim=claim))
                            self.live.setdefault(ref, []).append(
                                ClaimRun(words("lab.running", claim=claim), parameters=parameters)
                            )
                        case e.Progress():
                            if view := self.views.get(ref):
                                view.progress(event.done, event.total)
                        case e.Shown() | e.Checked():
                            items.append(event.item) if isinstance(event, e.Shown) else checks.append(event.check)
                            await self._keep(
                                ref, ClaimRun(words("lab.running", claim=claim), None, items, checks, "", parameters)
                            )
                        case e.Finished():
                            await self._finish(ref, event, ClaimRun("", event.held, items, checks, "", parameters))
                        case e.Skipped():
                            problem = words("lab.skipped", why=event.why)
                            await self._keep(ref, ClaimRun("", None, (), (), problem, parameters))
                        case e.Output():
                            text = f"{words('lab.output')}:\n{event.text}" if event.text.strip() else ""
                            self.query_one("#bench-output", Static).update(Content(text))
                        case e.Ended():
                            self._state(event.why(words))
                            for outcome in fold.unfinished() if event.reason != "cancelled" else ():
                                self.context.live.note(demo, outcome, parameters)
                                cut = ClaimRun(event.why(words), False, outcome.evidence, outcome.checks, "", parameters)
                                await self._keep(f"{name}.{outcome.claim}", cut)
        finally:
            for view in self.views.values():
                view.progress(None, None)

    async def stopped(self) -> None:
        """Say of what ran that it was stopped; what it had shown stays."""
        words = self.context.t
        self._state(words("lab.cancelled"))
        for ref, runs in self.live.items():
            if runs and runs[-1].held is None and not runs[-1].problem:
                runs[-1] = replace(runs[-1], label=words("lab.cancelled"))
                await self._refresh(ref)

    async def _keep(self, ref: str, run: ClaimRun) -> None:
        """Put a run in the place of its own unfinished self."""
        runs = self.live.setdefault(ref, [])
        if runs and runs[-1].held is None:
            runs.pop()
        runs.append(run)
        await self._refresh(ref)

    async def _finish(self, ref: str, event: e.Finished, run: ClaimRun) -> None:
        words = self.context.t
        if event.error:
            run.problem = words("lab.error", what=exception_line(event.error))
        turned = ", ".join(f"{k}={v}" for k, v in run.parameters.items())
        run.label = words("lab.live", seconds=f"{event.seconds:.2g}") + (f" · {turned}" if turned else "")
        if claim_ref := ClaimRef.try_parse(ref):
            self.context.live.note(self.context.catalog.demo(claim_ref.demo), event, run.parameters)
        if view := self.views.get(ref):
            view.progress(None, None)
        await self._keep(ref, run)
