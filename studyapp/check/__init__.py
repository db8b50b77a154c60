"""The rules across files, and those on wording: everything that is wrong with the bank, as findings.

A finding that is a warning is listed and fails nothing. Its `group` is "backlog" where something is planned and not yet written.
"""

from collections.abc import Callable
from datetime import date

from studyapp.bank.model import Bank, Finding
from studyapp.check.proofs import proofs
from studyapp.check.question import QuestionChecker
from studyapp.check.shared_files import shared_findings
from studyapp.lab.catalog import Catalog
from studyapp.lab.chinese import missing_labels
from studyapp.lab.recordings import Recordings
from studyapp.render.formula import formula_problem as draws

__all__ = ["check_bank", "proofs"]


def check_bank(
    bank: Bank,
    catalog: Catalog,
    *,
    today: date | None = None,
    recordings: Recordings | None = None,
    formula_problem: Callable[[str], str | None] = draws,
) -> list[Finding]:
    """Everything that is wrong with bank and demos, by file and line.

    Without `today` nothing is too old; without `recordings` no label lacks its Chinese.
    """
    findings = [*bank.findings, *catalog.findings, *shared_findings(bank)]
    used = {demo for q in bank.questions.values() for demo in q.demos}
    for name, demo in catalog.demos.items():
        if name not in used:
            findings.append(
                Finding(demo.path, 1, "", "no question leans on it", "name one of its claims, or remove it")
            )
        findings += missing_labels(demo, bank.terms, recordings) if recordings else []
    for question in bank.questions.values():
        page = QuestionChecker(question, bank, catalog, today, formula_problem)
        page.check()
        findings += page.findings
    return sorted(set(findings), key=lambda f: (str(f.path), f.line, f.key, f.problem))
