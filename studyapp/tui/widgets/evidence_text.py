"""The claims of a point as one text: what was recorded, what ran here, and from which machine and day it is."""

from collections.abc import Mapping, Sequence
from functools import partial

from textual.content import Content

from studyapp.bank.model import SupportKind
from studyapp.context import AppContext
from studyapp.evidence.types import format_cell
from studyapp.lab.demo import Claim
from studyapp.lab.history import ClaimRun
from studyapp.tui.marks import drawn
from studyapp.tui.widgets.claim_view import ClaimPage, Try, claim_lines, turned_text
from studyapp.tui.widgets.drawn import DrawnText, hang, joined

CLOSE = 1.05
"""A guess that is off by less than this factor is right."""


class EvidenceText(DrawnText):
    """Claims under one another; `note` stands there where there are none.

    While `asking`, a claim with a number worth guessing shows what asks for it, until it was guessed or opened without.
    """

    def __init__(self, context: AppContext, id: str | None = None) -> None:
        super().__init__(id=id)
        self.context = context
        self.refs: tuple[str, ...] = ()
        self.current = ""
        self.note: Content | None = None
        self.kinds: Mapping[str, SupportKind] = {}
        self.unfolded = self.asking = False
        self.output = ""
        self.tops: dict[str, int] = {}

    def show(self, refs: Sequence[str], current: str, note: Content | None = None) -> None:
        """Show other claims; nothing is drawn where they are the same."""
        if (tuple(refs), current, note) != (self.refs, self.current, self.note):
            self.refs, self.current, self.note = tuple(refs), current, note
            self.redraw()

    def draw(self, width: int) -> Content:
        """Every claim, the printed output, and where the recorded ones come from, once."""
        t = self.context.t
        lines: list[Content] = []
        self.tops = {}
        for ref in self.refs:
            self.tops[ref] = len(lines)
            translated = partial(self.context.in_language, demo=self.context.demo(ref))
            lines += [*claim_lines(self.page(ref), t, width, self.unfolded, ref == self.current, translated), Content()]
        if self.note is not None:
            lines += self.note.wrap(width)
        for origin in dict.fromkeys(filter(None, map(self._origin, (r for r in self.refs if not self.awaits(r))))):
            lines += hang("", Content.styled(origin, "$foreground-muted"), width, 2)
        if self.output:
            lines += [Content(), Content.styled(t("lab.output"), "$foreground-muted")]
            lines += Content(self.output).wrap(width)
        return joined(lines)

    def plain(self) -> str:
        """What stands there, as text."""
        return "\n".join(line.rstrip() for line in self._at(self.content_size.width or 80)[1].plain.splitlines()) + "\n"

    def fold(self) -> None:
        """Unfold the checks that hold, or fold them; the first of the current claim that this touches is in sight then."""
        before = self._lines_of_current()
        self.unfolded = not self.unfolded
        self.redraw()
        after = self._lines_of_current()
        same = next((i for i, (one, other) in enumerate(zip(before, after, strict=False)) if one != other), None)
        if same is not None:
            self.call_after_refresh(self.reveal, self.tops.get(self.current, 0) + same, 1 + max(0, len(after) - len(before)))

    def _lines_of_current(self) -> list[str]:
        lines, top = self.plain().splitlines(), self.tops.get(self.current, 0)
        return lines[top : min((t for t in self.tops.values() if t > top), default=len(lines))]

    def page(self, ref: str) -> ClaimPage:
        """What is shown of a claim now."""
        claim, t = self.context.claim(ref), self.context.t
        if claim is None:
            return ClaimPage(ref, t("lab.missing", claim=ref), "?", "$warning", "")
        if claim.guess is not None and self.awaits(ref):
            return ClaimPage(ref, claim.guess.question[t.language], "?", "bold $accent", t("guess.how"))
        runs = self.runs(ref)
        verdict = self.context.claim_verdict(ref, self.kinds.get(ref, "proof"))
        why = verdict.why(t) if verdict.state in ("stale", "skipped", "unrecorded") else ""
        tries = self._tries(claim, ref)
        return ClaimPage(ref, claim.sentence[t.language], *drawn(verdict), why, runs, tries, guess=self._guess(ref))

    def awaits(self, ref: str) -> bool:
        """Whether a claim's number is to be guessed first: nothing of it ran here."""
        return self.asking and not self.context.history.of(ref) and self.context.to_guess(ref) is not None

    def _guess(self, ref: str) -> str:
        """How far off the guess was; nothing where there was none."""
        made, claim = self.context.guessed.get(ref), self.context.claim(ref)
        if made is None or claim is None or claim.guess is None:
            return ""
        unit = f" {claim.guess.unit}" if claim.guess.unit else ""
        shown = {"guess": f"{format_cell(made.value)}{unit}", "answer": f"{format_cell(made.answer)}{unit}"}
        if made.factor < CLOSE:
            return self.context.t("guess.close", **shown)
        return self.context.t("guess.low" if made.low else "guess.high", factor=f"{made.factor:.2g}", **shown)

    def runs(self, ref: str) -> tuple[tuple[ClaimRun, str], ...]:
        """The newest run, and the last before it with other parameters; the recorded one counts as a run.

        The one before is left out where the newest holds with the same parameters: it would show the same again.
        """
        t, recorded = self.context.t, self._recorded(ref)
        live = self.context.history.of(ref)
        if not live:
            return ((recorded, ""),) if recorded else ()
        newest, *earlier = [*live, *([recorded] if recorded else [])]
        named = (newest, self._label(newest))
        other = next((run for run in earlier if run.parameters != newest.parameters and run.judged), None)
        if other is None and newest.state != "held" and recorded:
            other = recorded
        if other is None:
            return (named,)
        return named, (other, t("lab.former", parameters=turned_text(other) or t("lab.by_default")))

    def _label(self, run: ClaimRun) -> str:
        seconds = self.context.t("lab.live", seconds=f"{run.seconds:.2g}") if run.judged else ""
        return " · ".join(filter(None, (turned_text(run), seconds)))

    def _tries(self, claim: Claim, ref: str) -> tuple[Try, ...]:
        """The known wrong ways of a claim; of the one that ran last, what it shows."""
        runs = self.context.history.of(ref)
        states = {turned_text(run): run.state for run in reversed(runs)}
        found = []
        for wrong in claim.breaks:
            text = turned_text(ClaimRun(parameters=wrong.parameters))
            last = bool(runs) and runs[0].parameters == wrong.parameters
            found.append(Try(text, states.get(text, ""), wrong.sentence[self.context.language] if last else ""))
        return tuple(found)

    def _recorded(self, ref: str) -> ClaimRun | None:
        kept = self.context.recorded(ref)
        if kept is None:
            return None
        _, claim = kept
        if claim.skipped:
            return ClaimRun("skipped", problem=claim.skipped)
        return ClaimRun("held" if claim.held else "broken", {}, claim.evidence, claim.checks, claim.seconds)

    def _origin(self, ref: str) -> str:
        kept = self.context.recorded(ref)
        if kept is None or kept[1].skipped:
            return ""
        demo, _ = kept
        return self.context.t("lab.recorded", machine=demo.machine, torch=demo.torch, date=demo.date)

