"""Markdown of the bank: displayed maths drawn in two dimensions, nothing read as markup."""

from markdown_it.token import Token
from rich.cells import cell_len
from textual.content import Content
from textual.events import Resize
from textual.widgets import Markdown
from textual.widgets.markdown import MarkdownBlock

from studyapp.render.formula import formula
from studyapp.render.markdown import parser


class Formula(MarkdownBlock):
    """A displayed formula, drawn or as its TeX; the TeX is its tooltip too."""

    DEFAULT_CSS = "Formula { height: auto; margin: 0 0 1 2; color: $text-accent; }"

    def __init__(self, markdown: Markdown, token: Token) -> None:
        super().__init__(markdown, token)
        self.tex = token.content.strip()
        as_tex = isinstance(markdown, Prose) and markdown.as_tex
        self.drawn = self.tex if as_tex else "\n".join(formula(self.tex))
        self.source_shown = self.drawn
        self.set_content(Content(self.drawn))
        self.tooltip = Content(self.tex)

    def on_resize(self, event: Resize) -> None:
        """A drawing that the column is too narrow for would be cut: its TeX can be wrapped."""
        fits = max(map(cell_len, self.drawn.splitlines()), default=0) <= self.content_size.width
        shown = self.drawn if fits else self.tex
        if self.source_shown != shown:
            self.source_shown = shown
            self.set_content(Content(shown))


class Prose(Markdown):
    """A Markdown text that fits its column."""

    DEFAULT_CSS = """
    Prose { height: auto; padding: 0; margin: 0; background: transparent; }
    Prose MarkdownFence { overflow: hidden; }
    Prose MarkdownFence > Label { width: 1fr; padding: 0 1; text-wrap: wrap; }
    """

    as_tex = False
    """Whether formulas stand as their TeX."""

    def __init__(self, text: str = "", *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(text, id=id, classes=classes, parser_factory=parser, open_links=False)

    def unhandled_token(self, token: Token) -> MarkdownBlock | None:
        """Draw displayed maths."""
        return Formula(self, token) if token.type.startswith("math_block") else None
