"""The command that checks the bank: your findings first of all, the maintainers' backlog in one line or on demand."""

from collections.abc import Sequence
from typing import Any

import click

from studyapp.cli import cli
from studyapp.cli.read import as_json, say_json, with_context
from studyapp.context import AppContext


@cli.command()
@click.option("--proofs", is_flag=True, help="Print each point beside its claim's sentence and recorded numbers.")
@click.option("--backlog", is_flag=True, help="Print all warnings, of what is planned and of every file.")
@click.option("--table", is_flag=True, help="Print what the bank holds, topic by topic.")
@as_json
@with_context
def check(context: AppContext, proofs: bool, backlog: bool, table: bool, as_json: bool) -> None:
    """Check every rule of the bank; leaves with 1 where one is broken.

    Warnings are printed of your own bank and of files changed since the last commit; the others are counted.
    """
    from studyapp.check import check_bank

    if proofs:
        from studyapp.check import proofs as proof_lines

        for line in proof_lines(context.bank, context.catalog, context.recordings, context.t):
            click.echo(line)
        return
    today = context.clock().date()
    findings = check_bank(context.bank, context.catalog, today=today, recordings=context.recordings)
    if table:
        _table(context, findings, as_json)
        return
    _findings(context, findings, backlog, as_json)
    click.get_current_context().exit(1 if any(not f.warning for f in findings) else 0)


def _findings(context: AppContext, findings: Sequence[Any], backlog: bool, as_json: bool) -> None:
    from studyapp.check.changed import changed_files, yours
    from studyapp.paths import demos_dir, questions_dir

    mine = yours(findings, context.bank, changed_files([questions_dir(), demos_dir(), *context.banks]))
    if as_json:
        say_json([_finding(f, f in mine) for f in findings])
        return
    t = context.t
    shown = findings if backlog else [f for f in findings if f in mine]
    for finding in sorted(shown, key=lambda f: (f in mine, not f.warning)):  # the last lines are the ones that are read
        label = t("cli.warning") if finding.warning else ""
        click.echo(f"{label}{finding.said(t.message)}")
    told = [
        t.count("cli.check_questions", len(context.bank.questions)),
        t.count("cli.check_demos", len(context.catalog.demos)),
        t.count("cli.check_findings", sum(not f.warning for f in findings)),
        t.count("cli.check_warnings", sum(f.warning for f in shown)),
    ]
    click.echo(t("cli.check", questions=told[0], demos=told[1], findings=told[2], warnings=told[3]))
    if rest := [] if backlog else [f for f in findings if f not in mine]:
        planned = sum(f.group == "backlog" for f in rest)
        click.echo(t("cli.backlog", planned=planned, warnings=len(rest) - planned))


def _finding(finding: Any, mine: bool) -> dict[str, Any]:
    return {
        "path": str(finding.path), "line": finding.line, "key": finding.key, "problem": finding.problem, "hint": finding.hint,
        "warning": finding.warning, "group": finding.group, "yours": mine,
    }  # fmt: skip


def _table(context: AppContext, findings: Sequence[Any], as_json: bool) -> None:
    from studyapp.check.table import NUMBERS, TopicRow, as_dict, topic_rows
    from studyapp.evidence.types import Table
    from studyapp.render.chart_text import table_text

    rows = topic_rows(context.bank, context.catalog, findings, context.clock().date())
    total = sum(rows.values(), TopicRow())
    if as_json:
        say_json({"topics": [{"topic": name, **as_dict(row)} for name, row in rows.items()], "total": as_dict(total)})
        return
    named = [*rows.items(), (context.t("cli.table_total"), total)]
    cells = tuple((name, *(getattr(row, n) for n in NUMBERS)) for name, row in named)
    heads = tuple(context.t(f"cli.table_{name}") for name in ("topic", *NUMBERS))
    click.echo(table_text(Table(heads, cells), 10_000))
