"""An answer in two steps: brief and points, then the whole with corrections and follow-ups."""

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from studyapp.bank.model import Question, Support
from studyapp.tui.desk import Desk
from studyapp.tui.widgets.points import Points, Row
from studyapp.tui.widgets.prose import Prose

MARKS = {"proof": ("✓", "$success"), "toy": ("≈", "$warning"), "cite": ("·", "$text-muted")}


def support_mark(desk: Desk, support: Support) -> tuple[str, str]:
    """The mark of what carries a statement, and its style: ✓ recorded, ✓✓ seen here, ✗ broken here, ≈ toy, · source."""
    ran = [desk.live[c] for c in support.claims if c in desk.live]
    if ran and not all(ran):
        return "✗", "bold $error"
    mark, style = MARKS[support.kind]
    if support.claims and not ran:
        kept = [desk.recorded(c) for c in support.claims]
        if not all(k and (k[1].held or k[1].skipped) for k in kept):
            return "?", "$text-muted"
    return (mark * 2, style) if ran and len(ran) == len(support.claims) else (mark, style)


def rows(desk: Desk, question: Question) -> list[Row]:
    """The points as rows."""
    return [Row(p[desk.language], *support_mark(desk, p)) for p in question.points]


class Answer(Vertical):
    """What is shown under the question once it is revealed."""

    DEFAULT_CSS = """
    Answer { height: auto; }
    Answer .heading { color: $accent; text-style: bold; margin-top: 1; }
    Answer #full { margin-top: 1; }
    Answer .note { color: $text-muted; }
    """

    def compose(self) -> ComposeResult:
        """Brief, points, answer, corrections, what comes next."""
        yield Prose(id="brief")
        yield Static(id="points-heading", classes="heading", markup=False)
        yield Points(id="points")
        yield Prose(id="full")
        yield Static(id="corrections", markup=False)
        yield Static(id="follow", markup=False)
        yield Static(id="sources", classes="note", markup=False)

    async def fill(self, desk: Desk, question: Question, ticked: Sequence[int], full: bool) -> None:
        """Show a question's answer; the second step too where `full`."""
        language, words = desk.language, desk.words
        self.query_one("#points-heading", Static).update(words("study.points"))
        await self.query_one("#brief", Prose).update(question.brief[language])
        await self.query_one(Points).fill(rows(desk, question), ticked)
        for name in ("#full", "#corrections", "#follow", "#sources"):
            self.query_one(name).display = full
        if full:
            await self.query_one("#full", Prose).update(question.answer[language])
            self.query_one("#follow", Static).update(self._follow(desk, question))
            self.query_one("#sources", Static).update(self._sources(desk, question))
        self.remark(desk, question)

    def remark(self, desk: Desk, question: Question) -> None:
        """Draw the marks again after a run."""
        self.query_one(Points).mark(rows(desk, question))
        parts = [Content.styled(f"\n{desk.words('study.corrections')}", "bold $accent")] if question.corrections else []
        for c in question.corrections:
            mark, style = support_mark(desk, c)
            parts.append(
                Content.assemble(
                    Content.styled("✗ ", "$error"),
                    Content.styled(c.wrong[desk.language], "$text-muted"),
                    "\n  → ",
                    c.right[desk.language],
                    " ",
                    Content.styled(mark, style),
                )
            )
        self.query_one("#corrections", Static).update(Content("\n").join(parts))

    def _follow(self, desk: Desk, question: Question) -> Content:
        if not question.follow_ups:
            return Content("")
        parts = [Content.styled(f"\n{desk.words('study.follow_ups')}", "bold $accent")]
        for name in question.follow_ups:
            other = desk.bank.questions.get(name)
            text = other.ask[desk.language] if other else f"{name} ({desk.words('study.planned')})"
            parts.append(Content(f"→ {text}"))
        return Content("\n").join(parts)

    def _sources(self, desk: Desk, question: Question) -> Content:
        cited = [c for s in (*question.points, *question.corrections) for c in s.cite]
        parts = []
        for cite in dict.fromkeys((*question.cites, *cited)):
            key, _, place = cite.partition(" ")
            paper = desk.bank.papers.get(key)
            parts.append(
                f"· {paper.authors} {paper.year}, {paper.title} ({paper.id}) {place}".rstrip() if paper else f"· {cite}"
            )
        return Content("\n".join(["", *parts])) if parts else Content("")
