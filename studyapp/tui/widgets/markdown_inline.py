"""Sentences of Markdown as Content, and Content as lines of a width."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from markdown_it.tree import SyntaxTreeNode
from textual.content import Content, Span

from studyapp.render.linebreak import divide_line

NARROWEST = 8
STYLES = {"strong": ".strong", "em": ".em", "s": ".s", "code_inline": ".code_inline", "link": "underline"}
"""Styles by the type of a node; those with a dot are component classes of the widget that draws."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line as drawn, what stands between it and the next in the text itself, and the TeX where it is of a formula.

    By the joint a selection is copied without the line breaks that only the width made.
    """

    text: Content
    joint: str = "\n"
    tex: str = ""

    def after(self, head: Content | str) -> "Line":
        """The line with something before it."""
        return Line(Content.assemble(head, self.text), self.joint, self.tex)


@dataclass
class _Sentence:
    parts: list[str] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    length: int = 0

    def take(self, nodes: Iterable[SyntaxTreeNode]) -> None:
        for node in nodes:
            start = self.length
            if node.children:  # an image's are its description
                self.take(node.children)
            else:
                text = {"softbreak": " ", "hardbreak": "\n"}.get(node.type, node.content)
                self.parts.append(text)
                self.length += len(text)
            if node.type in STYLES and self.length > start:
                self.spans.append(Span(start, self.length, STYLES[node.type]))


def inline(node: SyntaxTreeNode) -> Content:
    """The words of a paragraph, a heading or a cell with their styles."""
    sentence = _Sentence()
    for child in node.children:
        sentence.take(child.children)
    return Content("".join(sentence.parts), sentence.spans)


def wrapped(text: Content, width: int, narrowest: int = NARROWEST) -> list[Line]:
    """Lines of at most `width` cells; where one was broken at a space, that is its joint."""
    lines: list[Line] = []
    for part in text.split("\n", allow_blank=True):
        plain = part.plain
        cuts = divide_line(plain, max(narrowest, width))
        for piece in part.divide(cuts) if cuts else [part]:
            blanks = len(piece.plain) - len(piece.plain.rstrip(" "))
            lines.append(Line(piece.right_crop(blanks) if blanks else piece, " " * blanks))
        lines[-1] = Line(lines[-1].text)
    return lines


def hanging(mark: Content | str, text: Content, width: int, indent: int) -> list[Line]:
    """The lines of a sentence beside its mark, `indent` cells in."""
    mark = Content(mark) if isinstance(mark, str) else mark
    head = mark.pad_right(max(0, indent - mark.cell_length))
    lines = wrapped(text, width - indent)
    return [line.after(head if not number else " " * indent) if indent else line for number, line in enumerate(lines)]
