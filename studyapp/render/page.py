"""A question as a page for the terminal: formulas drawn, lines broken at the width, marks and headings in colour.

Only for people: what is piped gets the text as it was written.
"""

import re
from collections.abc import Callable, Iterator
from io import StringIO

from rich.console import Console, Group, RenderableType
from rich.markdown import Markdown
from rich.table import Table
from rich.text import Text

from studyapp.bank.model import Question, Support
from studyapp.render.formula import formula

FORMULA = re.compile(r"^\$\$(.+?)\$\$$", re.MULTILINE | re.DOTALL)
MARKS = {"proof": ("✓", "green"), "toy": ("≈", "yellow"), "cite": ("·", "dim")}
WIDEST = 100


def page(question: Question, language: str, words: Callable[[str], str], width: int) -> str:
    """The question with its answer, points and corrections, coloured by ANSI codes."""
    parts: list[RenderableType] = [
        Text(question.ask[language], style="bold"),
        Text(f"{question.topic} · {question.level} · {question.id}\n", style="dim"),
        prose(question.brief[language]),
        "",
        prose(question.answer[language]),
        Text(f"\n{words('cli.points')}", style="bold cyan"),
        hanging((mark(p), said(p[language], p)) for p in question.points),
    ]
    if question.corrections:
        rows = [
            row
            for c in question.corrections
            for row in ((Text("✗", "red"), Text(c.wrong[language], "dim")), (mark(c), said(c.right[language], c)))
        ]
        parts += [Text(f"\n{words('study.corrections')}", style="bold cyan"), hanging(iter(rows))]
    paper = StringIO()
    console = Console(file=paper, width=min(width, WIDEST), force_terminal=True, color_system="standard")
    console.print(Group(*parts))
    return paper.getvalue()


def prose(markdown: str) -> Markdown:
    """Markdown with its displayed formulas drawn in two dimensions."""
    return Markdown(FORMULA.sub(lambda m: "```text\n" + "\n".join(formula(m[1].strip())) + "\n```", markdown))


def hanging(rows: Iterator[tuple[Text, Text]]) -> Table:
    """Sentences beside their marks."""
    grid = Table.grid(padding=(0, 1))
    for row in rows:
        grid.add_row(*row)
    return grid


def mark(support: Support) -> Text:
    """What kind of support it is."""
    return Text(*MARKS[support.kind])


def said(text: str, support: Support) -> Text:
    """A sentence with what carries it."""
    return Text.assemble(text, "  ", (", ".join(support.claims or support.cite), "dim"))
