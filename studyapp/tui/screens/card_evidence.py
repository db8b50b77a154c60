"""What carries each statement of a question, as the evidence panel shows it."""

from collections.abc import Iterator

from textual.content import Content

from studyapp.bank.model import Question, Support
from studyapp.context import AppContext
from studyapp.render.document import citation_text
from studyapp.tui.widgets.evidence_panel import EvidenceGroup


def evidence_groups(context: AppContext, question: Question) -> list[EvidenceGroup]:
    """A group a point, in their order, then one for each correction that leans on a claim."""
    points = [support_group(context, p, context.t("exhibit.point", n=n)) for n, p in enumerate(question.points, 1)]
    corrections = [
        support_group(context, c, context.t("exhibit.correction", n=n))
        for n, c in enumerate(question.corrections, 1)
        if c.claims
    ]
    return [*points, *corrections]


def support_group(context: AppContext, support: Support, name: str) -> EvidenceGroup:
    """What carries one statement: its claims, or a note on what it cites."""
    note = None if support.claims else Content("\n").join(_cited(context, support))
    return EvidenceGroup(support.claims, name, note)


def _cited(context: AppContext, support: Support) -> Iterator[Content]:
    yield Content.styled(context.t("exhibit.cited"), "$foreground-muted")
    for cite in support.cite:
        yield Content(f"· {citation_text(cite, context.bank)}")
