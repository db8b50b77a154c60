"""The commands on functions that a learner writes: write opens, judges or prints one, exercises lists them all."""

import asyncio
import sys
from typing import IO, Any

import click

from studyapp.bank.refs import demo_and_claim
from studyapp.cli import cli, complete
from studyapp.cli.demos import known_demo
from studyapp.cli.judged import sign_of, tell_judgement
from studyapp.cli.read import as_json, say_json, with_context
from studyapp.context import AppContext
from studyapp.errors import CallError, DemoError
from studyapp.lab.demo import Demo, Exercise
from studyapp.lab.verdict import RUN_SIGNS
from studyapp.plaintext import printable

TEXT_FILE = click.File(encoding="utf-8", errors="replace")
ALL = 0
"""The value of --history without a number."""


@cli.command()
@click.argument("target", metavar="DEMO.FUNCTION", shell_complete=complete.exercises)
@click.argument("file", type=TEXT_FILE, required=False)
@click.option("--check", type=TEXT_FILE, metavar="FILE", help="Judge the function in FILE (or -), as FILE alone does.")
@click.option("--head", is_flag=True, help="Print the head of the function, at a terminal as well.")
@click.option("--solution", is_flag=True, help="Print the demo's own body of it.")
@click.option(
    "--history",
    type=click.IntRange(0),
    is_flag=False,
    flag_value=ALL,
    metavar="[N]",
    help="List what was judged of it before, newest first; with a number print the N-th.",
)
@as_json
@with_context
def write(
    context: AppContext, target: str, file: IO[str] | None, check: IO[str] | None, head: bool, solution: bool,
    history: int | None, as_json: bool,
) -> None:  # fmt: skip
    """Write a function of a demo in your editor, and see at each save which of the demo's claims hold with it.

    What you write is kept in the data folder. Without a terminal the head of the function is printed. With FILE (or -)
    the function in it is judged, its head and imports with it or the body alone; leaves with 1 unless every claim holds.
    """
    demo, exercise = known_exercise(context, target)
    if file is not None and check is not None:
        raise CallError(context.t("write.file_twice"), context.t("write.file_twice_hint"))
    given = file or check
    if given is not None:
        judge_text(context, demo, exercise, given.read(), as_json)
    elif history is not None:
        tell_history(context, f"{demo.name}.{exercise.name}", history)
    elif solution:
        click.echo(f"{exercise.head}\n{exercise.body}")
    elif head or as_json or not (sys.stdin.isatty() and sys.stdout.isatty()):
        click.echo(exercise.head)
    else:
        from studyapp.cli.write_loop import WriteLoop

        asyncio.run(WriteLoop(context, demo, exercise).run())


def known_exercise(context: AppContext, target: str) -> tuple[Demo, Exercise]:
    """The demo and the function of "topic/demo.function".

    Raises:
        DemoError: where there is no such demo, or no such function to write in it.
    """
    name, function = demo_and_claim(target)
    demo = known_demo(context, name)
    if not function:
        names = ", ".join(e.name for e in demo.exercises)
        hint = context.t("errors.functions_are", names=names) if names else context.t("errors.demos_lists")
        raise DemoError(context.t("errors.names_no_function", target=target), hint)
    return demo, demo.exercise(function)


def judge_text(context: AppContext, demo: Demo, exercise: Exercise, text: str, as_json: bool) -> None:
    """Run the claims of an exercise with what was written in the function's place, tell, and leave with 0 or 1.

    Raises:
        DemoError: where the text is not Python, or the lab cannot start.
    """
    from studyapp.lab.client import LabClient
    from studyapp.lab.judging import Judgement, judge, shown_by_default

    pictures = sys.stdout.isatty() and not as_json

    async def go() -> tuple[Judgement, dict[str, Any]]:
        async with LabClient() as lab:
            judgement = await judge(lab, demo, exercise, text.replace("\r\n", "\n"))
            shown = await shown_by_default(lab, demo, judgement, context.recorded_evidence) if pictures else {}
            return judgement, shown

    judgement, shown = asyncio.run(go())
    if judgement.ended.reason == "unavailable":
        raise DemoError("{demo}: {why}", judgement.ended.message, demo=demo.name, why=judgement.ended.why(context.t))
    if as_json:
        rows = [(name, judgement.outcome(name)) for name in exercise.claims]
        claims = [
            {"claim": n, "held": bool(o and o.held), "skipped": o.skipped if o else "", "error": o.error if o else judgement.ended.message}
            for n, o in rows
        ]
        say_json({"function": f"{demo.name}.{exercise.name}", "held": judgement.held, "claims": claims})
    else:
        tell_judgement(context, demo, judgement, shown, pictures=pictures)
    click.get_current_context().exit(0 if judgement.held else 1)


def tell_history(context: AppContext, ref: str, number: int) -> None:
    """The versions that were judged, newest first and numbered from 1; or the text of one.

    Raises:
        DemoError: where there is none, or none of that number.
    """
    attempts = context.attempts.history(ref)[::-1]
    if not attempts:
        raise DemoError(context.t("write.no_history", function=ref), context.t("write.no_history_hint", command=f"studyapp write {ref}"))
    if number > len(attempts):
        raise DemoError(context.t("write.no_version", n=number, function=ref), context.t.count("write.versions", len(attempts)))
    if number:
        click.echo(printable(attempts[number - 1].text), nl=False)
        return
    for place, attempt in enumerate(attempts, 1):
        moment = context.local(attempt.at).strftime("%Y-%m-%d %H:%M")
        signs = {name: sign_of(state) for name, state in attempt.claims.items() if state in RUN_SIGNS}
        claims = "  ".join(f"{sign} {printable(name)}" for name, sign in signs.items())
        click.echo(f"{place:>3}  {moment}  {claims}")


@cli.command()
@as_json
@with_context
def exercises(context: AppContext, as_json: bool) -> None:
    """List the functions that can be written, what asks for each, and how what you wrote came out."""
    asking: dict[str, list[str]] = {}
    for question in context.bank.in_order():
        for ref in question.write:
            asking.setdefault(ref, []).append(question.id)
    rows: list[dict[str, Any]] = []
    for demo in context.catalog.demos.values():
        for exercise in demo.exercises:
            ref = f"{demo.name}.{exercise.name}"
            written = context.attempts.exists(ref)
            last = context.attempts.last(ref) if written else None
            rows.append(
                {
                    "function": ref,
                    "topic": demo.topic,
                    "sentence": {"en": exercise.sentence.en, "zh": exercise.sentence.zh},
                    "claims": list(exercise.claims),
                    "questions": asking.get(ref, []),
                    "written": str(context.attempts.path(ref)) if written else None,
                    "held": last.held if last else None,
                    "judged_at": last.at.isoformat() if last else None,
                }
            )
    if as_json:
        say_json(rows)
        return
    for row in rows:
        sign = {True: click.style("✓", "green"), False: click.style("✗", "red"), None: "✎" if row["written"] else " "}[row["held"]]
        questions = f"  ({', '.join(row['questions'])})" if row["questions"] else ""
        click.echo(f"{sign} {click.style(row['function'], bold=True)}{questions}")
        click.echo(f"    {row['sentence'][context.language]}")
    held = sum(row["held"] is True for row in rows)
    click.echo(context.t("write.listed", n=len(rows), begun=sum(row["written"] is not None for row in rows), held=held))
