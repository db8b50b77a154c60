"""A document as a page for the terminal: formulas drawn, lines broken at the width, marks and headings in colour.

Only for people: a pipe gets Markdown (`document_markdown`).
"""

import re
from collections.abc import Iterable
from io import StringIO

from rich.console import Console, Group, RenderableType
from rich.markdown import Markdown
from rich.table import Table
from rich.text import Text

from studyapp.evidence.types import Table as Facts
from studyapp.evidence.types import format_cell
from studyapp.i18n import Translations
from studyapp.render.document import (
    Block,
    ClaimEvidence,
    Correction,
    Document,
    FollowUp,
    Models,
    Practice,
    Prose,
    Reference,
    Statement,
)
from studyapp.render.formula import formula
from studyapp.render.markdown import spans
from studyapp.render.marks import colour, note, provenance

FORMULA = re.compile(r"^\$\$(.+?)\$\$$", re.MULTILINE | re.DOTALL)
STYLES = {"": "", "strong": "bold", "em": "italic", "code": "cyan", "s": "strike"}
WIDEST = 100
Row = tuple[Text, RenderableType]


def page(document: Document, words: Translations, width: int) -> str:
    """The document in the language of `words`, coloured by ANSI codes, at most `width` cells wide."""
    question = document.question
    parts: list[RenderableType] = [
        _sentence(document.ask[words.language], "bold"),
        Text(f"{'★ ' * document.annotation.starred}{question.topic} · {question.level} · {question.id}", style="dim"),
    ]
    for section in document.sections:
        if section.name == "ask":
            continue
        as_of = question.today.as_of if question.today else ""
        parts.append(Text(f"\n{words(f'document.{section.name}', as_of=as_of)}", style="bold cyan"))
        rows: list[Row] = []
        for block in section.blocks:
            if isinstance(block, Prose):
                parts.append(_prose(block.text[words.language]))
            elif isinstance(block, Models) and (table := block.table(words.language)):
                parts.append(_table(table))
            else:
                rows += _rows(block, words)
        parts += [_hanging(rows)] if rows else []
    paper = StringIO()
    console = Console(file=paper, width=min(width, WIDEST), force_terminal=True, color_system="standard")
    console.print(Group(*parts))
    return paper.getvalue()


def _prose(markdown: str) -> Markdown:
    """Markdown with its displayed formulas drawn in two dimensions."""
    return Markdown(FORMULA.sub(lambda m: "```text\n" + "\n".join(formula(m[1].strip())) + "\n```", markdown))


def _rows(block: Block, words: Translations) -> list[Row]:
    language = words.language
    match block:
        case Statement():
            return [_statement(block, words)]
        case Correction():
            heard = f"  {words('document.heard', where=block.heard_in[language])}" if block.heard else ""
            wrong = Text.assemble(_sentence(block.wrong[language], "dim"), (heard, "dim"))
            return [(Text("✗", "red"), wrong), _statement(block.right, words)]
        case ClaimEvidence():
            sentence = _sentence(block.sentence[language]) if block.sentence else Text(block.claim)
            details = "; ".join([block.claim] * bool(block.sentence) + provenance(block, words))
            return [(_mark(block), Text.assemble(sentence, "  ", (details, "dim")))]
        case FollowUp():
            return [(Text("→"), Text.assemble(_sentence(block.ask[language]), "  ", (block.id, "dim")))]
        case Reference():
            return [(Text("·", "dim"), Text(str(block), "dim"))]
        case Models():
            return [(Text("·", "dim"), Text(", ".join(block.ids)))]
        case Practice():
            sentence = Text.assemble(_sentence(block.sentence[language]), "  ") if block.sentence else Text("")
            what = words(f"document.{block.kind}", name="")
            return [(Text("→"), Text.assemble(what, sentence, (block.command, "cyan")))]
        case Prose():
            return []


def _statement(one: Statement, words: Translations) -> Row:
    remark = ", ".join(filter(None, (one.support, note(one.mark, words))))
    return _mark(one), Text.assemble(_sentence(one.text[words.language]), "  ", (remark, "dim"))


def _mark(marked: Statement | ClaimEvidence) -> Text:
    return Text(marked.mark.text, colour(marked.mark))


def _sentence(text: str, style: str = "") -> Text:
    return Text.assemble(*((part, STYLES.get(kind, "")) for kind, part in spans(text)), style=style)


def _hanging(rows: Iterable[Row]) -> Table:
    """Sentences beside their marks."""
    grid = Table.grid(padding=(0, 1))
    for row in rows:
        grid.add_row(*row)
    return grid


def _table(facts: Facts) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False)
    for name in facts.columns:
        table.add_column(Text(name))
    for row in facts.rows:
        table.add_row(*(Text(format_cell(cell)) for cell in row))
    return table
