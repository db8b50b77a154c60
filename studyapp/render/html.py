r"""Markdown and evidence as HTML for exports: formulas for MathJax, everything else escaped.

The reader may be Anki, to which `[sound:…]`, `[latex]` and `\(` in a text are orders: `text_html` and `neutral` take that
from them.
"""

import re

from studyapp.evidence.types import Bars, Evidence, Heatmap, Lines, Table, format_cell
from studyapp.render.markdown import parser, text_html

ORDER = re.compile(r"\[(?=/?latex\]|/?\${1,2}\]|sound:|anki:|\[?type:)", re.IGNORECASE)


def html(markdown: str) -> str:
    r"""`markdown` as HTML, displayed formulas as `\[ … \]`."""
    return str(parser().render(markdown)).strip()


def inline(markdown: str) -> str:
    """One sentence of `markdown` without the paragraph around it."""
    return str(parser().renderInline(markdown)).strip()


def neutral(field: str) -> str:
    """A field of HTML in which nothing is an order to Anki: its brackets are written as entities."""
    return ORDER.sub("&#91;", field)


def evidence_html(evidence: Evidence) -> str:
    """`evidence` as a table."""
    table = as_table(evidence)
    title = f"<caption>{text_html(table.title)}</caption>" if table.title else ""
    head = "".join(f"<th>{text_html(c)}</th>" for c in table.columns)
    rows = "".join("<tr>" + "".join(f"<td>{text_html(format_cell(c))}</td>" for c in row) + "</tr>" for row in table.rows)
    return f'<table class="evidence">{title}<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'


def as_table(evidence: Evidence) -> Table:
    """The numbers of any evidence under named columns."""
    match evidence:
        case Lines():
            columns = (evidence.x_label, *evidence.series)
            return Table(columns, tuple(zip(evidence.x, *evidence.series.values(), strict=True)), evidence.title)
        case Bars():
            columns = ("", *evidence.series)
            return Table(columns, tuple(zip(evidence.labels, *evidence.series.values(), strict=True)), evidence.title)
        case Heatmap():
            width = max((len(row) for row in evidence.values), default=0)
            names = evidence.x or tuple(map(str, range(width)))
            side = evidence.y or tuple(map(str, range(len(evidence.values))))
            corner = " \\ ".join(n for n in (evidence.y_label, evidence.x_label) if n)
            return Table(
                (corner, *names),
                tuple((s, *row) for s, row in zip(side, evidence.values, strict=False)),
                evidence.title,
            )
        case _:
            return evidence
