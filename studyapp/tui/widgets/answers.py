"""An answer in two steps, drawn from a question's document: brief and points, then the whole with corrections and what comes next."""

from collections.abc import Iterable, Iterator
from typing import ClassVar

from textual.app import ComposeResult
from textual.content import Content
from textual.style import Style

from studyapp.context import AppContext
from studyapp.render import document as doc
from studyapp.render.document_markdown import practice_line
from studyapp.tui.marks import drawn
from studyapp.tui.textgraphics import inline
from studyapp.tui.widgets.layout import Column
from studyapp.tui.widgets.points import Points, Row
from studyapp.tui.widgets.prose import Facts, Heading, Markdown, Marked, Part, Prose

BESIDE = ("ask", "brief", "points", "evidence")
"""The sections that do not stand in the second step: they are above it, or in the evidence panel."""
HEADINGS = {"corrections": "study.corrections", "follow_ups": "study.follow_ups", "references": "study.sources"}
NOTE_LINES = 8
"""So many lines of a note stand under an answer; the editor shows all of it."""


class Answer(Column):
    """What is shown under the question: three widgets, for each one more is laid out and painted by itself."""

    DEFAULT_CSS: ClassVar[str] = "Answer { height: auto; }"

    def __init__(self, id: str | None = None, boxes: bool = True) -> None:
        """Without `boxes` the points are only read."""
        super().__init__(id=id)
        self.boxes = boxes

    def compose(self) -> ComposeResult:
        """The brief answer and the heading of the points; the points; the rest."""
        yield Prose(id="brief")
        yield Points(id="points", boxes=self.boxes)
        yield Prose(id="rest", apart=True)

    def fill(self, context: AppContext, document: doc.Document) -> None:
        """Show both steps of another question's answer."""
        self.query_one(Points).fill(rows(context, document))
        self.fill_brief(context, document)
        self.fill_rest(context, document)

    def fill_brief(self, context: AppContext, document: doc.Document) -> None:
        """The first step: what is there already is not drawn again."""
        heading = Heading(context.t("study.points" if self.boxes else "study.points_read"))
        self.query_one("#brief", Prose).fill([*parts(context, document, ["brief"]), heading], context.as_tex)
        self.query_one(Points).mark(rows(context, document))

    def fill_rest(self, context: AppContext, document: doc.Document) -> None:
        """The second step, likewise; also to draw the marks again after a run."""
        self.query_one(Points).mark(rows(context, document))
        names = [section.name for section in document.sections if section.name not in BESIDE]
        self.query_one("#rest", Prose).fill([*parts(context, document, names)], context.as_tex)


def rows(context: AppContext, document: doc.Document) -> list[Row]:
    """The points as rows."""
    points = (b for b in document.section("points") if isinstance(b, doc.Statement))
    return [Row(p.text[context.language], *drawn(p.mark)) for p in points]


def parts(context: AppContext, document: doc.Document, names: Iterable[str]) -> Iterator[Part]:
    """Sections of a document, each under its heading; of a long note its start."""
    t = context.t
    for name in names:
        blocks = document.section(name)
        as_of = document.question.today.as_of if document.question.today else ""
        heading = t(HEADINGS.get(name, f"document.{name}"), as_of=as_of)
        if marked := [row for block in blocks for row in _marked(context, block)]:
            yield Marked(heading, tuple(marked))
        elif name not in ("brief", "answer"):
            yield Heading(heading)
        if name == "note":
            lines = document.annotation.note.split("\n")
            long = len(lines) > NOTE_LINES + 1
            blocks = tuple(doc.note_blocks("\n".join(lines[:NOTE_LINES]))) if long else blocks
        for block in blocks:
            if isinstance(block, doc.Prose):
                yield Markdown(block.text[context.language])
            elif isinstance(block, doc.Models) and (table := block.table(context.language)):
                yield Facts(table)
        if name == "note" and long:
            yield Markdown(f"*{t('document.note_more', n=len(lines) - NOTE_LINES)}*")


def _marked(context: AppContext, block: doc.Block) -> Iterator[tuple[Content, Content]]:
    """The rows of a block that is sentences beside marks; a click on a question that comes next reads it."""
    language = context.language
    match block:
        case doc.Correction():
            yield Content.styled("✗", "$error"), inline(block.wrong[language]).stylize_before("$foreground-muted")
            mark = Content.styled(*drawn(block.right.mark))
            yield Content("→"), Content.assemble(inline(block.right.text[language]), " ", mark)
        case doc.FollowUp():
            click = Style.from_meta({"@click": f"app.read({block.id!r})"})
            yield Content("→"), inline(block.ask[language]).stylize(click)
        case doc.Reference():
            yield Content("·"), Content.styled(str(block), "$foreground-muted")
        case doc.Practice():
            yield Content("·"), inline(practice_line(block, context.t))
        case _:
            return
