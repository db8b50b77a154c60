"""The commands that do something: answer, run, verify."""

import asyncio
import shutil
import sys
from typing import TYPE_CHECKING, Any

import click

from studyapp.bank.refs import demo_and_claim
from studyapp.cli import cli, complete
from studyapp.cli.read import as_json, say_json, with_context
from studyapp.cli.when import instant, until
from studyapp.context import AppContext
from studyapp.errors import CallError, DemoError
from studyapp.evidence.types import Evidence

if TYPE_CHECKING:
    from studyapp.lab.demo import Demo

RATINGS = ("again", "hard", "good", "easy")


@cli.command()
@click.argument("question_id", metavar="ID", shell_complete=complete.questions)
@click.argument("rating", type=click.Choice(RATINGS))
@click.option("--at", "at", metavar="ISO-TIME", help="When it was answered; without it, now.")
@as_json
@with_context
def answer(context: AppContext, question_id: str, rating: str, at: str | None, as_json: bool) -> None:
    """Rate a card without opening the app."""
    from studyapp.reviews.log import Rating

    question = context.question(question_id)
    now = context.clock() if at is None else instant(context, at)
    shown = context.store.card(question.card_id)
    state = context.session(only=[question.id]).answer(shown, Rating[rating.upper()], now, language=context.language)
    moment = context.due_at(state)
    due_at = moment.isoformat() if moment else None
    if as_json:
        say_json(
            {
                "id": question.id,
                "state": state.state,
                "due_at": due_at,
                "stability": state.stability,
                "difficulty": state.difficulty,
                "reps": state.reps,
                "lapses": state.lapses,
            }
        )
    else:
        back = until(context, state.due_day, state.due_at)
        click.echo(context.t("cli.answered", id=question.id, state=context.t(f"browse.state_{state.state}"), when=back))


def pair(context: AppContext, given: str) -> tuple[str, str]:
    """«name=value» as its two halves.

    Raises:
        CallError: where there is no `=`.
    """
    name, sign, value = given.partition("=")
    if not sign:
        raise CallError(context.t("errors.set_without_value", given=given), context.t("errors.set_like_this"))
    return name.strip().replace("-", "_"), value.strip()


def known_demo(context: AppContext, name: str) -> "Demo":
    """The demo of a name.

    Raises:
        DemoError: where there is none; the hint names the nearest.
    """
    if name in context.catalog.demos:
        return context.catalog.demo(name)
    hint = context.did_you_mean(name, context.catalog.demos) or context.t("errors.demos_lists")
    raise DemoError(context.t("errors.no_demo", name=name), hint)


def known_claim(context: AppContext, demo: "Demo", name: str) -> None:
    """Refuse a claim that the demo does not have.

    Raises:
        DemoError: where it has none of that name; the hint names the nearest, or all.
    """
    names = [claim.name for claim in demo.claims]
    if name not in names:
        hint = context.did_you_mean(name, names) or context.t("errors.claims_are", names=", ".join(names))
        raise DemoError(context.t("errors.no_claim", demo=demo.name, claim=name), hint)


def draw(item: Evidence) -> str:
    """Evidence as a chart for a person at a terminal, as a plain table for a pipe."""
    from studyapp.evidence.script import as_text

    if not sys.stdout.isatty():
        return as_text(item)
    from studyapp.render.chart_text import chart

    rows = chart(item, min(90, shutil.get_terminal_size().columns - 2), 14).splitlines()
    return "\n".join(f"  {row}" for row in rows)


@cli.command()
@click.argument("target", metavar="DEMO[.CLAIM]", shell_complete=complete.claims)
@click.option("--set", "given", multiple=True, metavar="NAME=VALUE", help="A parameter; may be repeated.")
@click.option("--seed", type=int, default=0, show_default=True)
@with_context
def run(context: AppContext, target: str, given: tuple[str, ...], seed: int) -> None:
    """Run a demo, or one claim of it, and print what it shows; leaves with 1 where a claim does not hold."""
    from studyapp.evidence.types import exception_line
    from studyapp.lab import protocol as ev
    from studyapp.lab.client import LabClient
    from studyapp.lab.collect import collect

    name, claim = demo_and_claim(target)
    demo = known_demo(context, name)
    if claim:
        known_claim(context, demo, claim)
    parameters = demo.settle(dict(pair(context, each) for each in given))

    def told(event: ev.RunEvent) -> None:
        match event:
            case ev.Started():
                sentence = demo.claim(event.claim).sentence[context.language]
                click.echo(f"\n{click.style(event.claim, bold=True)}: {sentence}")
            case ev.Shown():
                click.echo(draw(event.item))
            case ev.Checked():
                sign = click.style("✓", "green") if event.check.held else click.style("✗", "red")
                click.echo(f"  {sign} {event.check.sentence(context.t)}")
            case ev.Finished():
                what = exception_line(event.error or "")
                click.echo(f"  {context.t(f'cli.{event.state}', what=what)} ({event.seconds:.2f} s)")
            case ev.Skipped():
                click.echo(f"  – {event.claim}: {context.t('cli.skipped', why=event.why)}")
            case ev.Output():
                click.echo(event.text, nl=False)

    async def go() -> ev.Ended:
        async with LabClient() as lab:
            run = lab.run(demo, claims=(claim,) if claim else None, parameters=parameters, seed=seed)
            ended = (await collect(run, told)).ended
            assert ended is not None
            return ended

    ended = asyncio.run(go())
    if ended.reason != "done":
        raise DemoError(f"{demo.name}: {ended.why(context.t)}", ended.message if ended.reason == "crash" else "")
    click.get_current_context().exit(0 if ended.ok else 1)


@cli.command()
@click.argument("names", nargs=-1, metavar="[DEMO …]", shell_complete=complete.demos)
@click.option("--record", is_flag=True, help="Keep the evidence in demos/recorded, where the cards read it.")
@click.option(
    "--seeds",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Run with this many seeds and name thin margins.",
)
@as_json
@with_context
def verify(context: AppContext, names: tuple[str, ...], record: bool, seeds: int, as_json: bool) -> None:
    """Run demos (all of them without a name) and judge every claim."""
    from studyapp.lab.client import LabClient
    from studyapp.lab.verify import verify as run_all

    chosen = [known_demo(context, name).name for name in names] or list(context.catalog.demos)
    said: list[dict[str, Any]] = []

    async def go() -> None:
        lab = LabClient()
        try:
            await lab.start()
            async for result in run_all(
                lab, context.catalog, chosen, seeds=seeds, recordings=context.recordings, record=record
            ):
                said.append(result.as_dict())
                if not as_json:
                    for line in result.lines():
                        click.echo(line)
        finally:
            await lab.close()

    asyncio.run(go())
    if as_json:
        say_json(said)
    failed = sum(not result["ok"] for result in said)
    if not as_json:
        click.echo(f"{len(said) - failed} passed, {failed} failed")
    click.get_current_context().exit(1 if failed else 0)
