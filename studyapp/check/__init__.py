"""The rules across files, and those on wording: everything that is wrong with the bank, as findings.

A finding that is a warning is listed and fails nothing. Its `group` is "backlog" where something is planned and not yet written.
"""

from collections.abc import Callable, Iterator
from datetime import date

from studyapp.bank.model import Bank, Finding
from studyapp.check.proofs import proofs
from studyapp.check.question import QuestionChecker
from studyapp.check.shared_files import shared_findings
from studyapp.lab.catalog import Catalog
from studyapp.lab.chinese import missing_labels
from studyapp.lab.demo import Demo
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

    Without `today` nothing is too old; without `recordings` no label lacks its Chinese, and no guess its number.
    """
    findings = [*bank.findings, *catalog.findings, *shared_findings(bank)]
    used = {demo for q in bank.questions.values() for demo in q.demos}
    for name, demo in catalog.demos.items():
        if name not in used:
            findings.append(
                Finding(demo.path, 1, "", "no question leans on it", "name one of its claims, or remove it")
            )
        findings += [*missing_labels(demo, bank.terms, recordings), *guess_findings(demo, recordings)] if recordings else []
    for question in bank.questions.values():
        page = QuestionChecker(question, bank, catalog, today, formula_problem)
        page.check()
        findings += page.findings
    return sorted(set(findings), key=lambda f: (str(f.path), f.line, f.key, f.problem))


def guess_findings(demo: Demo, recordings: Recordings) -> Iterator[Finding]:
    """A finding for each number to be guessed that no recording has above 0."""
    for claim in demo.claims:
        kept = recordings.best_run(f"{demo.name}.{claim.name}", demo) if claim.guess else None
        if claim.guess is None or kept is None or not kept[1].held:
            continue
        found = [check.got for check in kept[1].checks if check.what == claim.guess.check and check.count == 1]
        if not any(isinstance(number, int | float) and number > 0 for number in found):
            hint = "name a check of the claim that compares one number above 0"
            problem = f"has a @guess of {claim.guess.check!r}, of which no number was recorded"
            yield Finding(demo.path, claim.line, f"claim_{claim.name}", problem, hint)
