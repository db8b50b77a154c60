"""The evidence beside the card: the claims of the point under the cursor, the form of their demo, and what runs here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from textual.app import ComposeResult
from textual.content import Content
from textual.message import Message
from textual.widgets import Input

from studyapp.bank.model import SupportKind
from studyapp.context import AppContext
from studyapp.lab.demo import Claim, Demo
from studyapp.tui.widgets.evidence_head import EvidenceHead
from studyapp.tui.widgets.evidence_text import EvidenceText
from studyapp.tui.widgets.layout import Column, Pane
from studyapp.tui.widgets.marked_list import MarkedList
from studyapp.tui.widgets.parameter_form import ParameterForm


@dataclass(frozen=True)
class EvidenceGroup:
    """What carries one statement: its claims, or a `note` on its sources; `name` says which statement, «point 2»."""

    refs: tuple[str, ...] = ()
    name: str = ""
    note: Content | None = None


class EvidencePanel(Column):
    """Shows one group at a time and runs claims; `single` shows one claim of the group at a time."""

    @dataclass
    class Stepped(Message):
        """The learner stepped to a claim of another group."""

        group: int

    def __init__(self, context: AppContext, id: str | None = None) -> None:
        super().__init__(id=id)
        self.context = context
        self.groups: tuple[EvidenceGroup, ...] = ()
        self.index, self.current, self.single = 0, "", False
        self.guessing = ""

    def compose(self) -> ComposeResult:
        """A line on what is shown, then what scrolls: an introduction, the form, the claims."""
        yield EvidenceHead(id="evidence-head")
        with Pane(id="evidence-scroll", can_focus=False):
            yield MarkedList(id="evidence-lead")
            yield ParameterForm(self.context)
            yield Input(id="guess")
            yield EvidenceText(self.context, id="evidence")

    def on_mount(self) -> None:
        """The parts, once there."""
        self.head, self.text = self.query_one(EvidenceHead), self.query_one(EvidenceText)
        self.form, self.pane = self.query_one(ParameterForm), self.query_one("#evidence-scroll", Pane)
        self.field = self.query_one("#guess", Input)
        self.field.display = False

    @property
    def refs(self) -> tuple[str, ...]:
        """Every claim of every group, once each, in order."""
        return tuple(dict.fromkeys(ref for group in self.groups for ref in group.refs))

    def fill(self, groups: Sequence[EvidenceGroup], kinds: Mapping[str, SupportKind] | None = None) -> None:
        """The groups of another card, the first of them shown from its top; the same ones in another language stay where they are."""
        same = [g.refs for g in groups] == [g.refs for g in self.groups]
        self.groups, self.text.kinds = tuple(groups), kinds or {}
        if same:
            self.text.redraw()
            self.show()
            return
        self.text.output = ""
        self.head.tell(self.context.t)
        self.form.close()
        self.go(0)

    def go(self, index: int) -> None:
        """Show a group, from its first claim."""
        if self.groups:
            self.index = index
            self.current = next(iter(self.groups[index].refs), "")
            self.show()
            self.pane.scroll_home(animate=False)

    def step(self, by: int) -> None:
        """The next claim of the card, or the one before; round at the ends."""
        refs = self.refs
        if not refs:
            return
        here = refs.index(self.current) if self.current in refs else -1 if by > 0 else 0
        self.current = refs[(here + by) % len(refs)]
        if self.current not in self.groups[self.index].refs:
            self.index = next(i for i, group in enumerate(self.groups) if self.current in group.refs)
            self.post_message(self.Stepped(self.index))
        self.show()
        self.call_after_refresh(self.bring)

    def bring(self) -> None:
        """The current claim in sight, from its top."""
        top = self.text.tops.get(self.current, 0) if len(self.text.refs) > 1 else 0
        self.pane.scroll_to(y=self.text.virtual_region.y + top if top or self.form.display else 0, animate=False)

    def bring_low(self) -> None:
        """The claims in sight, where what stands above them takes most of the room."""
        if self.text.virtual_region.y - self.pane.scroll_y > self.pane.size.height // 2:
            self.bring()

    def show(self) -> None:
        """Draw the group, where it is not drawn already."""
        if not self.groups:
            return
        group, refs = self.groups[self.index], self.refs
        if self.field.display and self.guessing != self.current:
            self.field.display = False
        shown = (self.current,) if self.single and self.current else group.refs
        self.text.show(shown, self.current, group.note)
        place = refs.index(self.current) + 1 if self.current in refs else 0
        self.head.fill(self.context.t, place, len(refs), group.name)

    @property
    def awaits_guess(self) -> bool:
        """Whether the number of the current claim is to be guessed first."""
        return bool(self.current) and self.text.awaits(self.current)

    def ask_guess(self) -> None:
        """Open the field for it."""
        claim = self.claim
        if claim is not None and claim.guess is not None:
            unit = claim.guess.unit or self.context.t("quiz.a_number")
            self.field.placeholder, self.field.value = self.context.t("guess.type", unit=unit), ""
            self.guessing, self.field.display = self.current, True
            self.field.focus()

    def take_guess(self, typed: str) -> None:
        """Take what was typed, and show the evidence.

        Raises:
            AnswerError: where it is no number above nought; the field stays.
        """
        ref = self.guessing
        try:
            self.context.guess(ref, typed)
        finally:
            if ref in self.context.guessed:
                self.field.display = False
                self.text.redraw()

    def fold(self) -> None:
        """Unfold the checks that hold, or fold them; those of the current claim are in sight then."""
        self.text.fold()

    @property
    def demo(self) -> Demo | None:
        """The demo of the current claim."""
        return self.context.demo(self.current) if self.current else None

    @property
    def claim(self) -> Claim | None:
        """The current claim."""
        return self.context.claim(self.current) if self.current else None
