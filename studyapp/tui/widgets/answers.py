"""An answer in two steps: brief and points, then the whole with corrections and follow-ups."""

import asyncio
from collections.abc import Iterator

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.style import Style
from textual.widgets import Static

from studyapp.bank.model import Question
from studyapp.context import AppContext
from studyapp.render.document import note_blocks, practice_blocks
from studyapp.render.document_markdown import practice_line, table_markdown
from studyapp.render.model_table import model_table
from studyapp.tui.marks import drawn
from studyapp.tui.widgets.marked_list import Line, MarkedList
from studyapp.tui.widgets.points import Points, Row
from studyapp.tui.widgets.prose import Prose


def rows(context: AppContext, question: Question) -> list[Row]:
    """The points as rows."""
    return [Row(p[context.language], *drawn(context.verdict(p))) for p in question.points]


NOTE_LINES = 8
"""So many lines of a note stand under an answer; the editor shows all of it."""


class Answer(Vertical):
    """What is shown under the question. It may be filled before it is revealed: the texts of a card are laid out once."""

    DEFAULT_CSS = """
    Answer { height: auto; }
    Answer .heading { color: $accent; text-style: bold; margin-top: 1; }
    Answer #rest { height: auto; }
    Answer #full, Answer #today { margin-top: 1; }
    """

    def __init__(self, id: str | None = None, boxes: bool = True) -> None:
        """Without `boxes` the points are only read."""
        super().__init__(id=id)
        self.boxes = boxes
        self._texts: dict[str, tuple[str, bool]] = {}
        self._filling = asyncio.Lock()

    def compose(self) -> ComposeResult:
        """Brief, points, answer, what is so today, corrections, what comes next, sources."""
        yield Prose(id="brief")
        yield Static(id="points-heading", classes="heading", markup=False)
        yield Points(id="points", boxes=self.boxes)
        with Vertical(id="rest"):
            yield Prose(id="full")
            yield MarkedList(id="corrections")
            yield MarkedList(id="follow")
            yield MarkedList(id="sources")

    async def fill(self, context: AppContext, question: Question, ticked: object = (), full: bool = True) -> None:
        """Show a question's answer; the second step too where `full`."""
        points = self.query_one(Points)
        points.fill(rows(context, question))
        await self.fill_brief(context, question)
        self.reveal(full)
        if full:
            await self.fill_rest(context, question)

    def reveal(self, full: bool) -> None:
        """Show the second step, or hide it."""
        self.query_one("#rest").display = full

    async def fill_brief(self, context: AppContext, question: Question) -> None:
        """The first step's texts, where they are not there already."""
        word = "study.points" if self.boxes else "study.points_read"
        heading = self.query_one("#points-heading", Static)
        if heading.content != context.t(word):
            heading.update(context.t(word))
        self.query_one(Points).mark(rows(context, question))
        await self._text("brief", question.brief[context.language], context.as_tex)

    async def fill_rest(self, context: AppContext, question: Question) -> None:
        """The second step's, likewise."""
        self.remark(context, question)
        self.query_one("#follow", MarkedList).fill(context.t("study.follow_ups"), follow_ups(context, question))
        self.query_one("#sources", MarkedList).fill(context.t("study.sources"), sources(context, question))
        text = f"{question.answer[context.language]}{today(context, question)}{beside(context, question)}"
        await self._text("full", text, context.as_tex)

    async def _text(self, name: str, text: str, as_tex: bool) -> None:
        async with self._filling:  # a card that is left while its text is laid out must not end under the next one
            if self._texts.get(name) != (text, as_tex):
                self._texts.pop(name, None)
                prose = self.query_one(f"#{name}", Prose)
                prose.as_tex = as_tex
                await prose.update(text)
                self._texts[name] = (text, as_tex)

    def remark(self, context: AppContext, question: Question) -> None:
        """Draw the marks again after a run."""
        self.query_one(Points).mark(rows(context, question))
        self.query_one("#corrections", MarkedList).fill(context.t("study.corrections"), corrections(context, question))


def today(context: AppContext, question: Question) -> str:
    """What models and libraries do now, under its own heading, with the table of the models it names; Markdown."""
    if question.today is None:
        return ""
    heading = context.t("document.today", as_of=question.today.as_of)
    named = [context.bank.models[name] for name in question.today.models if name in context.bank.models]
    facts = table_markdown(model_table(named, question.topic, context.language)) if named else ""
    return f"\n\n**{heading}**\n\n{question.today[context.language]}\n\n{facts}"


def beside(context: AppContext, question: Question) -> str:
    """What there is to work out and to write, then the learner's note, its start where it is long; Markdown."""
    t, parts = context.t, []
    if listed := [f"- {practice_line(block, t)}" for block in practice_blocks(question, context.catalog)]:
        parts += [f"**{t('document.practice')}**", "\n".join(listed)]
    lines = context.annotation(question).note.split("\n")
    more = t("document.note_more", n=len(lines) - NOTE_LINES) if len(lines) > NOTE_LINES + 1 else ""
    for block in note_blocks("\n".join(lines[:NOTE_LINES] if more else lines)):
        parts += [f"**{t('document.note')}**", block.text[context.language], *([f"*{more}*"] if more else [])]
    return "".join(f"\n\n{part}" for part in parts)


def corrections(context: AppContext, question: Question) -> Iterator[Line]:
    """What is often said, then what is so and what shows it."""
    for one in question.corrections:
        yield Content.styled("✗", "$error"), Content.styled(one.wrong[context.language], "$foreground-muted")
        mark, style = drawn(context.verdict(one))
        yield "→", Content.assemble(one.right[context.language], " ", Content.styled(mark, style))


def follow_ups(context: AppContext, question: Question) -> Iterator[Line]:
    """The questions that come next and have a file; a click reads one."""
    for name in question.follow_ups:
        if other := context.bank.questions.get(name):
            click = Style.from_meta({"@click": f"app.read({other.id!r})"})
            yield "→", Content(other.ask[context.language]).stylize(click)


def sources(context: AppContext, question: Question) -> Iterator[Line]:
    """Every source cited, in full."""
    for key, places in question.citations.items():
        yield "·", Content.styled(", ".join([source_text(context, key), *places]), "$foreground-muted")


def source_text(context: AppContext, key: str) -> str:
    """A source in full; its key where the bank does not know it."""
    paper = context.bank.papers.get(key)
    return f"{paper.authors} {paper.year}, {paper.title} ({paper.id})" if paper else key
