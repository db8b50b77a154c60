"""What Study and Lab share: a bench on which claims run, one run at a time."""

from collections.abc import Sequence
from typing import Any

from textual import work
from textual.worker import Worker

from studyapp.context import AppContext
from studyapp.lab.demo import Claim, Demo
from studyapp.tui.screens.base import BaseScreen
from studyapp.tui.screens.dialogs import CodeView
from studyapp.tui.widgets.evidence_panel import EvidencePanel


class DemoScreen(BaseScreen):
    """A room with a EvidencePanel in it."""

    def __init__(self, context: AppContext) -> None:
        super().__init__(context)
        self.lab_run: Worker[None] | None = None

    def run_claims(self, claims: Sequence[str], parameters: dict[str, Any]) -> None:
        """ClaimRun claims in the lab, one demo after the other, in place of what runs."""
        self.stop_run()
        self.lab_run = self._run(tuple(claims), parameters)

    @work(exclusive=True, group="lab", exit_on_error=False)
    async def _run(self, claims: Sequence[str], parameters: dict[str, Any]) -> None:
        await self.query_one(EvidencePanel).run(claims, parameters)
        await self.ran()

    async def ran(self) -> None:
        """What the room does once a run is over."""

    def stop_run(self) -> bool:
        """Stop what runs; whether anything did."""
        if self.lab_run is None or not self.lab_run.is_running:
            return False
        self.lab_run.cancel()
        self.lab_run = None
        return True

    async def halt(self) -> bool:
        """Stop what runs and say so beside the claims; whether anything did."""
        if not self.stop_run():
            return False
        await self.query_one(EvidencePanel).stopped()
        return True

    def show_code(self, demo: Demo, claim: Claim | None = None) -> None:
        """Read a demo's source, at a claim."""
        self.app.push_screen(CodeView(self.context, demo, claim))
