"""A demo's evidence in Chinese: its own table, and the bank's terms."""

from collections.abc import Iterable, Iterator

from studyapp.bank.model import Finding, Term
from studyapp.evidence.labels import Labels
from studyapp.lab.demo import Demo
from studyapp.lab.recordings import Recordings


def labels(demo: Demo, terms: Iterable[Term]) -> Labels:
    """The Chinese of a demo's labels, titles and checks."""
    return Labels(demo.zh, {term.en.casefold(): term.zh for term in terms})


def missing_labels(demo: Demo, terms: Iterable[Term], recordings: Recordings) -> Iterator[Finding]:
    """A finding where recorded evidence has labels without Chinese, on any machine; what was never recorded is not known."""
    known = labels(demo, terms)
    runs = [run for machine in recordings.machines() if (run := recordings.get(demo.name, machine))]
    items = [item for run in runs if not run.stale(demo) for c in run.claims.values() for item in (*c.evidence, *c.checks)]
    if lacking := known.missing(items):
        some = ", ".join(f"«{label}»" for label in lacking[:3]) + (" …" if len(lacking) > 3 else "")
        problem = f"has no Chinese for {len(lacking)} labels: {some}"
        yield Finding(demo.path, 1, "ZH", problem, "add them to ZH at the end of the file")
