"""The commands on demos: demos, run, verify, drill."""

import asyncio
import shutil
import sys
from typing import Any

import click

from studyapp.bank.refs import demo_and_claim
from studyapp.cli import cli, complete
from studyapp.cli.read import as_json, say_json, with_context
from studyapp.context import AppContext
from studyapp.errors import CallError, DemoError
from studyapp.evidence.exercises import Drill
from studyapp.evidence.types import Evidence, exception_line
from studyapp.lab.demo import Claim, Demo


@cli.command()
@as_json
@with_context
def demos(context: AppContext, as_json: bool) -> None:
    """List the demos with their claims, parameters, wrong ways, drills and exercises."""
    if as_json:
        say_json([demo_json(demo) for demo in context.catalog.demos.values()])
        return
    for demo in context.catalog.demos.values():
        click.echo(f"{click.style(demo.name, bold=True)}  {demo.summary[context.language]}")
        for claim in demo.claims:
            values = " ".join(f"{k}={v!r}" for k, v in claim.parameters.items())
            click.echo(f"  .{claim.name}  {values}".rstrip())
            for number, wrong in enumerate(claim.breaks, 1):
                values = " ".join(f"{k}={v!r}" for k, v in wrong.parameters.items())
                click.echo(f"    --break {number}: {values}  {wrong.sentence[context.language]}")
        for drill in demo.drills:
            click.echo(f"  {context.t('cli.drill', name=f'{demo.name}.{drill.name}')}")
        for exercise in demo.exercises:
            click.echo(f"  {context.t('cli.exercise', name=exercise.name)}  {exercise.sentence[context.language]}")


def demo_json(demo: Demo) -> dict[str, Any]:
    """A demo for a program."""
    return {
        "demo": demo.name,
        "summary": {"en": demo.summary.en, "zh": demo.summary.zh},
        "claims": [claim_json(demo, claim) for claim in demo.claims],
        "drills": [{"drill": d.name, "proved_by": d.proved_by} for d in demo.drills],
        "exercises": [
            {
                "function": e.name,
                "sentence": {"en": e.sentence.en, "zh": e.sentence.zh},
                "head": e.head,
                "claims": list(e.claims),
                "wrong": list(e.wrong),
            }
            for e in demo.exercises
        ],
    }


def claim_json(demo: Demo, claim: Claim) -> dict[str, Any]:
    """A claim for a program; a range is said in both languages, beside the claim's own defaults."""
    from studyapp.i18n import LANGUAGES, Translations

    return {
        "claim": claim.name,
        "sentence": {"en": claim.sentence.en, "zh": claim.sentence.zh},
        "parameters": dict(claim.parameters),
        "ranges": {
            name: {lang: demo.ranges[name].text(Translations.load(lang), {}) for lang in LANGUAGES}
            for name in claim.parameters
            if name in demo.ranges
        },
        "breaks": [
            {"parameters": dict(b.parameters), "sentence": {"en": b.sentence.en, "zh": b.sentence.zh}} for b in claim.breaks
        ],
        "timed": claim.timed,
        "needs": list(claim.needs),
    }


def pair(context: AppContext, given: str) -> tuple[str, str]:
    """«name=value» as its two halves.

    Raises:
        CallError: where there is no `=`.
    """
    name, sign, value = given.partition("=")
    if not sign:
        raise CallError(context.t("errors.set_without_value", given=given), context.t("errors.set_like_this"))
    return name.strip().replace("-", "_"), value.strip()


def known_demo(context: AppContext, name: str) -> Demo:
    """The demo of a name.

    Raises:
        DemoError: where there is none; the hint names the nearest.
    """
    if name in context.catalog.demos:
        return context.catalog.demo(name)
    hint = context.did_you_mean(name, context.catalog.demos) or context.t("errors.demos_lists")
    raise DemoError(context.t("errors.no_demo", name=name), hint)


def known_claim(context: AppContext, demo: Demo, name: str) -> None:
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
@click.option("--break", "wrong", type=click.IntRange(1), metavar="N", help="Run the claim in its N-th wrong way.")
@click.option("--seed", type=int, default=0, show_default=True)
@with_context
def run(context: AppContext, target: str, given: tuple[str, ...], wrong: int | None, seed: int) -> None:
    """Run a demo, or one claim of it, and print what it shows; leaves with 1 where a claim does not hold.

    With --break it leaves with 1 where the claim holds all the same.
    """
    from studyapp.lab import protocol as ev
    from studyapp.lab.client import LabClient
    from studyapp.lab.collect import collect

    name, claim = demo_and_claim(target)
    demo = known_demo(context, name)
    if claim:
        known_claim(context, demo, claim)
    claims = (claim,) if claim else None
    parameters = demo.settle(dict(pair(context, each) for each in given), claims=claims, t=context.t)
    if wrong is not None:
        parameters = dict(parameters) | wrong_way(context, demo, claim, wrong)

    states: set[str] = set()

    def told(event: ev.RunEvent) -> None:
        match event:
            case ev.Started():
                sentence = demo.claim(event.claim).sentence[context.language]
                click.echo(f"\n{click.style(event.claim, bold=True)}: {sentence}")
            case ev.Shown():
                click.echo(draw(context.in_language(event.item, demo)))
            case ev.Checked():
                sign = click.style("✓", "green") if event.check.held else click.style("✗", "red")
                click.echo(f"  {sign} {context.in_language(event.check, demo).sentence(context.t)}")
            case ev.Finished():
                states.add(event.state)
                what = exception_line(event.error or "")
                click.echo(f"  {context.t(f'cli.{event.state}', what=what)} ({event.seconds:.2f} s)")
            case ev.Skipped():
                click.echo(f"  – {event.claim}: {context.t('cli.skipped', why=event.why)}")
            case ev.Output():
                click.echo(event.text, nl=False)

    async def go() -> ev.Ended:
        async with LabClient() as lab:
            ended = (await collect(lab.run(demo, claims, parameters, seed=seed), told)).ended
            assert ended is not None
            return ended

    ended = asyncio.run(go())
    if ended.reason != "done":
        raise DemoError(
            "{demo}: {why}",
            ended.message if ended.reason == "crash" else "",
            demo=demo.name, why=ended.why(context.t),
        )
    right = states <= {"broken"} if wrong is not None else ended.ok
    click.get_current_context().exit(0 if right else 1)


def wrong_way(context: AppContext, demo: Demo, claim: str, number: int) -> dict[str, Any]:
    """The parameters of a claim's wrong way, which is printed.

    Raises:
        DemoError: where no claim is named, or it has no wrong way of that number.
    """
    if not claim:
        raise DemoError("--break runs one claim", "write topic/demo.claim")
    ways = demo.claim(claim).breaks
    if number > len(ways):
        raise DemoError(
            "{demo}.{claim} has no wrong way {number}; how many it has: {count}",
            "`studyapp demos` lists them",
            demo=demo.name, claim=claim, number=number, count=len(ways),
        )
    way = ways[number - 1]
    typed = " ".join(f"{k}={v!r}" for k, v in way.parameters.items())
    click.echo(context.t("cli.wrong_way", values=typed, sentence=way.sentence[context.language]))
    return dict(way.parameters)


@cli.command()
@click.argument("target", metavar="DEMO.DRILL", shell_complete=complete.drills)
@click.option("--seed", type=int, default=0, show_default=True, help="Another seed draws other numbers.")
@as_json
@with_context
def drill(context: AppContext, target: str, seed: int, as_json: bool) -> None:
    """Print a numeric question that a demo makes, with its answer and the way to it."""
    from studyapp.lab.client import LabClient
    from studyapp.lab.collect import draw_drill

    name, which = demo_and_claim(target)
    demo = known_demo(context, name)
    if not which:
        raise DemoError(
            "{target!r} names no drill",
            "{name} has: {names}",
            target=target, name=name, names=", ".join(d.name for d in demo.drills) or "–",
        )

    async def go() -> Drill:
        async with LabClient() as lab:
            return await draw_drill(lab, demo, which, seed, context.t)

    question = asyncio.run(go())
    steps = [{"en": en, "zh": zh} for en, zh in question.steps]
    if as_json:
        say_json(
            {
                "drill": target,
                "seed": seed,
                "ask": {"en": question.en, "zh": question.zh},
                "answer": question.answer,
                "unit": question.unit,
                "within": question.within,
                "steps": steps,
                "proved_by": f"{demo.name}.{question.proved_by}",
            }
        )
        return
    language = context.language
    click.echo(question.zh if language == "zh" else question.en)
    for step in steps:
        click.echo(f"  {step[language]}")
    answer = f"{question.answer:.6g} {question.unit}".rstrip()
    click.echo(context.t("cli.drill_answer", answer=answer, within=f"{question.within:.3g}"))
    click.echo(context.t("cli.drill_proof", claim=f"{demo.name}.{question.proved_by}"))


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
@click.option("--draws", type=click.IntRange(0), default=0, help="Run each claim this often with parameters drawn from the ranges.")
@as_json
@with_context
def verify(context: AppContext, names: tuple[str, ...], record: bool, seeds: int, draws: int, as_json: bool) -> None:
    """Run demos (all of them without a name), judge every claim, and see every wrong way refuted."""
    from studyapp.lab.client import LabClient
    from studyapp.lab.verify import verify as run_all

    said: list[dict[str, Any]] = []

    async def go() -> None:
        lab = LabClient()
        starting = asyncio.create_task(lab.start())
        try:
            await asyncio.sleep(0)  # torch is imported in the worker while the demos are read here
            chosen = [known_demo(context, name).name for name in names] or list(context.catalog.demos)
            async for result in run_all(
                lab, context.catalog, chosen, seeds=seeds, recordings=context.recordings, record=record, drawn=draws
            ):
                said.append(result.as_dict())
                if not as_json:
                    for line in result.lines():
                        click.echo(line)
        finally:
            await lab.close()
            await asyncio.gather(starting, return_exceptions=True)

    asyncio.run(go())
    if as_json:
        say_json(said)
    failed = sum(not result["ok"] for result in said)
    if not as_json:
        held = sum(claim["held"] for result in said for claim in result["claims"])
        refuted = sum(result["refuted"] for result in said)
        click.echo(f"{len(said) - failed} passed, {failed} failed; {held} claims hold, {refuted} wrong ways refuted")
    click.get_current_context().exit(1 if failed else 0)
