"""The command that asks for a function of a demo and lets the demo's claims judge what was written."""

import asyncio
from typing import IO

import click

from studyapp.bank.refs import demo_and_claim
from studyapp.cli import cli, complete
from studyapp.cli.demos import known_demo
from studyapp.cli.read import as_json, say_json, with_context
from studyapp.context import AppContext
from studyapp.errors import DemoError
from studyapp.evidence.types import exception_line
from studyapp.lab.demo import Demo, Exercise
from studyapp.lab.verdict import HELD, SIGNS, Style
from studyapp.plaintext import printable

COLOURS: dict[Style, str | None] = {"success": "green", "warning": "yellow", "error": "red", "muted": None}


@cli.command()
@click.argument("target", metavar="DEMO.FUNCTION", shell_complete=complete.exercises)
@click.argument("file", type=click.File(encoding="utf-8", errors="replace"), required=False)
@click.option("--solution", is_flag=True, help="Print the demo's own body of it.")
@as_json
@with_context
def write(context: AppContext, target: str, file: IO[str] | None, solution: bool, as_json: bool) -> None:
    """Print the head of a function to write; with FILE (or -) judge the function in it by the demo's claims.

    FILE holds the function with its head, or the body alone. Leaves with 1 unless every claim holds.
    """
    name, function = demo_and_claim(target)
    demo = known_demo(context, name)
    if not function:
        names = ", ".join(e.name for e in demo.exercises)
        hint = context.t("errors.functions_are", names=names) if names else context.t("errors.demos_lists")
        raise DemoError(context.t("errors.names_no_function", target=target), hint)
    exercise = demo.exercise(function)
    if file is None:
        click.echo(f"{exercise.head}\n{exercise.body}" if solution else exercise.head)
        return
    judge(context, demo, exercise, file.read(), as_json)


def judge(context: AppContext, demo: Demo, exercise: Exercise, text: str, as_json: bool) -> None:
    """Run the claims of an exercise with what was written in the function's place."""
    from studyapp.lab.client import LabClient
    from studyapp.lab.collect import RunFold, collect
    from studyapp.lab.trials import written

    body = text.replace("\r\n", "\n").strip("\n").removeprefix(exercise.head.strip("\n"))
    source = written(exercise, body)

    async def go() -> RunFold:
        async with LabClient() as lab:
            return await collect(lab.run(demo, exercise.claims, replace={exercise.name: source}))

    fold = asyncio.run(go())
    assert fold.ended is not None
    if fold.ended.reason != "done":
        raise DemoError("{demo}: {why}", fold.ended.message, demo=demo.name, why=fold.ended.why(context.t))
    outcomes = [fold.outcomes[name] for name in exercise.claims]
    if as_json:
        claims = [{"claim": o.claim, "held": o.held, "skipped": o.skipped, "error": o.error} for o in outcomes]
        say_json({"function": f"{demo.name}.{exercise.name}", "held": all(o.held for o in outcomes), "claims": claims})
    for outcome in outcomes if not as_json else ():
        sign = HELD["proof"] if outcome.held else SIGNS["skipped" if outcome.skipped else "broken"]
        click.echo(f"{click.style(sign.text, COLOURS[sign.style])} {demo.claim(outcome.claim).sentence[context.language]}")
        for check in outcome.checks:
            if not check.held:
                click.echo(f"    {context.in_language(check, demo).sentence(context.t)}")
        if outcome.error:
            click.echo(f"    {printable(exception_line(outcome.error))}")
        if outcome.skipped:
            click.echo(f"    {context.t('cli.skipped', why=outcome.skipped)}")
    click.get_current_context().exit(0 if all(o.held for o in outcomes) else 1)
