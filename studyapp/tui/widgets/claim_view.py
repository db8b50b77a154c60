"""A claim with its evidence: what was recorded, and what ran here just now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.text import Text as RichText
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.events import Resize
from textual.widgets import ProgressBar, Static

from studyapp.evidence.types import Check, Evidence, Table
from studyapp.render.chart_text import chart, table_text


@dataclass
class ClaimRun:
    """One run of a claim as far as it has come; `held` is None until it is known."""

    label: str
    held: bool | None = None
    evidence: Sequence[Evidence] = ()
    checks: Sequence[Check] = ()
    problem: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)


def drawn(item: Evidence, width: int, height: int = 12) -> RichText:
    """Evidence as text of a width; tables whole, curves and bars as charts."""
    text = table_text(item, width) if isinstance(item, Table) else chart(item, width, height)
    return RichText.from_ansi(text, no_wrap=True, overflow="crop")


class EvidenceView(Static):
    """One table, curve, bar chart or heatmap, drawn as wide as there is room."""

    DEFAULT_CSS = "EvidenceView { height: auto; margin: 0 0 0 2; }"

    def __init__(self, item: Evidence) -> None:
        super().__init__(markup=False)
        self.item, self.drawn_at = item, 0

    def on_resize(self, event: Resize) -> None:
        """Draw again when the room changed."""
        width = min(self.content_size.width, 90)
        if width > 8 and width != self.drawn_at:
            self.drawn_at = width
            self.update(drawn(self.item, width))


class RunView(Vertical):
    """A run: where it comes from, its evidence, its checks."""

    DEFAULT_CSS = """
    RunView { height: auto; }
    RunView .label { color: $text-muted; padding-left: 2; }
    RunView .checks { padding-left: 2; }
    """

    def __init__(self, run: ClaimRun, former: bool = False) -> None:
        super().__init__(classes="-former" if former else None)
        self.run = run

    def compose(self) -> ComposeResult:
        """Evidence first: it was there before it was judged."""
        for item in self.run.evidence:
            yield EvidenceView(item)
        lines = [
            Content.assemble(
                Content.styled("✓ " if c.held else "✗ ", "$success" if c.held else "bold $error"), c.sentence()
            )
            for c in self.run.checks
        ]
        if self.run.problem:
            lines.append(Content.styled(self.run.problem, "$warning"))
        if lines:
            yield Static(Content("\n").join(lines), classes="checks")
        yield Static(Content(self.run.label), classes="label")


class ClaimView(Vertical):
    """A claim: its mark and sentence, then its runs, the newest first."""

    DEFAULT_CSS = """
    ClaimView { height: auto; margin: 0 0 1 0; }
    ClaimView > .runs { height: auto; }
    ClaimView ProgressBar { margin-left: 2; display: none; }
    ClaimView ProgressBar.-on { display: block; }
    """

    def __init__(self, ref: str, sentence: str, mark: str, style: str, runs: Sequence[ClaimRun] = ()) -> None:
        super().__init__()
        self.ref, self.sentence, self.mark, self.mark_style, self.runs = ref, sentence, mark, style, list(runs)

    def compose(self) -> ComposeResult:
        """Title, bar, runs."""
        yield Static(self._title(), classes="title")
        yield ProgressBar(show_eta=False)
        with Vertical(classes="runs"):
            yield from (RunView(r, former=i > 0) for i, r in enumerate(self.runs))

    def _title(self) -> Content:
        return Content.assemble(Content.styled(f"{self.mark} ", self.mark_style), Content.styled(self.sentence, "bold"))

    def progress(self, done: float | None, total: float | None) -> None:
        """Move the bar; None takes it away."""
        bar = self.query_one(ProgressBar)
        bar.set_class(done is not None, "-on")
        if done is not None:
            bar.update(total=total or None, progress=done)

    async def show(self, mark: str, style: str, runs: Sequence[ClaimRun]) -> None:
        """Show other runs."""
        self.mark, self.mark_style, self.runs = mark, style, list(runs)
        self.query_one(".title", Static).update(self._title())
        place = self.query_one(".runs", Vertical)
        await place.remove_children()
        await place.mount_all(RunView(r, former=i > 0) for i, r in enumerate(self.runs))
