"""An answer in two steps: brief and points, then the whole with corrections and follow-ups."""

from collections.abc import Iterable, Iterator, Sequence

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.style import Style
from textual.widgets import Static

from studyapp.bank.model import Question
from studyapp.context import AppContext
from studyapp.tui.marks import drawn
from studyapp.tui.widgets.marked_list import Line, MarkedList
from studyapp.tui.widgets.points import Points, Row
from studyapp.tui.widgets.prose import Prose


def rows(context: AppContext, question: Question) -> list[Row]:
    """The points as rows."""
    return [Row(p[context.language], *drawn(context.verdict(p))) for p in question.points]


class Answer(Vertical):
    """What is shown under the question once it is revealed."""

    DEFAULT_CSS = """
    Answer { height: auto; }
    Answer .heading { color: $accent; text-style: bold; margin-top: 1; }
    Answer #full { margin-top: 1; }
    """

    def compose(self) -> ComposeResult:
        """Brief, points, answer, corrections, what comes next, sources."""
        yield Prose(id="brief")
        yield Static(id="points-heading", classes="heading", markup=False)
        yield Points(id="points")
        yield Prose(id="full")
        yield MarkedList(id="corrections")
        yield MarkedList(id="follow")
        yield MarkedList(id="sources")

    async def fill(self, context: AppContext, question: Question, ticked: Sequence[int], full: bool) -> None:
        """Show a question's answer; the second step too where `full`."""
        language, words = context.language, context.t
        self.query_one("#points-heading", Static).update(words("study.points"))
        for prose in self.query(Prose):
            prose.as_tex = context.as_tex
        await self.query_one("#brief", Prose).update(question.brief[language])
        await self.query_one(Points).fill(rows(context, question), ticked)
        for name in ("#full", "#corrections", "#follow", "#sources"):
            self.query_one(name).display = full
        if full:
            await self.query_one("#full", Prose).update(question.answer[language])
            await self._hang("follow", words("study.follow_ups"), follow_ups(context, question))
            await self._hang("sources", words("study.sources"), sources(context, question))
        await self.remark(context, question)

    async def remark(self, context: AppContext, question: Question) -> None:
        """Draw the marks again after a run."""
        self.query_one(Points).mark(rows(context, question))
        await self._hang("corrections", context.t("study.corrections"), corrections(context, question))

    async def _hang(self, name: str, heading: str, lines: Iterable[Line]) -> None:
        await self.query_one(f"#{name}", MarkedList).fill(heading, lines)


def corrections(context: AppContext, question: Question) -> Iterator[Line]:
    """What is often said, then what is so and what shows it."""
    for one in question.corrections:
        yield Content.styled("✗", "$error"), Content.styled(one.wrong[context.language], "$foreground-muted")
        mark, style = drawn(context.verdict(one))
        yield "→", Content.assemble(one.right[context.language], " ", Content.styled(mark, style))


def follow_ups(context: AppContext, question: Question) -> Iterator[Line]:
    """The questions that come next; a click reads one."""
    for name in question.follow_ups:
        other = context.bank.questions.get(name)
        if other is None:
            yield "→", Content.styled(f"{name} ({context.t('study.planned')})", "$foreground-muted")
        else:
            click = Style.from_meta({"@click": f"app.read({other.id!r})"})
            yield "→", Content(other.ask[context.language]).stylize(click)


def sources(context: AppContext, question: Question) -> Iterator[Line]:
    """Every source cited, in full."""
    for key, places in question.citations.items():
        paper = context.bank.papers.get(key)
        text = f"{paper.authors} {paper.year}, {paper.title} ({paper.id})" if paper else key
        yield "·", Content.styled(", ".join([text, *places]), "$foreground-muted")
