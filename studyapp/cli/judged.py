"""How a function that was written came out, for a person: each claim, what broke it, and its picture beside the one expected."""

import shutil
from collections.abc import Iterator, Mapping, Sequence

import click
from rich.cells import cell_len

from studyapp.context import AppContext
from studyapp.evidence.types import Evidence, exception_line
from studyapp.lab.demo import Demo
from studyapp.lab.judging import Judgement, own_line
from studyapp.lab.verdict import RUN_SIGNS, Style
from studyapp.plaintext import printable

COLOURS: dict[Style, str | None] = {"success": "green", "warning": "yellow", "error": "red", "muted": None}
SIDE_BY_SIDE = 100
"""So many cells hold two pictures beside each other."""
WIDEST, HEIGHT, GAP = 72, 12, 3


def tell_judgement(
    context: AppContext, demo: Demo, judgement: Judgement, shown: Mapping[str, Sequence[Evidence]], *, pictures: bool
) -> None:
    """Each claim with its sign, the checks that failed, why one could not run; with `pictures` what broken ones showed.

    Args:
        shown: what claims without a recording show with the demo's own function.
    """
    ended = judgement.ended
    for name in judgement.claims:
        outcome, state = judgement.outcome(name), judgement.state(name)
        click.echo(f"{sign_of(state)} {demo.claim(name).sentence[context.language]}")
        if outcome is None:
            click.echo(f"    {context.t('write.unrun')}")
            continue
        for check in outcome.checks:
            if not check.held:
                click.echo(f"    {context.in_language(check, demo).sentence(context.t)}")
        if outcome.error:
            stopped = ended.reason != "done" and ended.claim == name
            click.echo(f"    {printable(ended.why(context.t) if stopped else exception_line(outcome.error))}")
            if (place := own_line(outcome.error, demo)) and not stopped:
                click.echo(f"      {context.t('write.at_line', line=place[0], code=printable(place[1]))}")
        if outcome.skipped:
            click.echo(f"    {context.t('cli.skipped', why=outcome.skipped)}")
        if pictures and state == "broken":
            expected = context.recorded_evidence(f"{demo.name}.{name}") or shown.get(name, ())
            for line in pictures_of(context, demo, outcome.evidence, expected):
                click.echo(f"    {line}")


def sign_of(state: str) -> str:
    """The sign of how a claim came out, in its colour."""
    sign = RUN_SIGNS[state]
    return click.style(sign.text, COLOURS[sign.style])


def pictures_of(context: AppContext, demo: Demo, got: Sequence[Evidence], expected: Sequence[Evidence]) -> Iterator[str]:
    """What a claim showed, each picture beside the one expected, or above it where there is no room."""
    width = min(shutil.get_terminal_size().columns - 6, 2 * WIDEST + GAP)
    beside = width >= SIDE_BY_SIDE and bool(expected)
    room = (width - GAP) // 2 if beside else min(width, WIDEST)
    yours, theirs = context.t("write.got"), context.t("write.expected")
    for place, item in enumerate(got):
        left = [click.style(yours, dim=True), *_drawn(context, demo, item, room)]
        right = [click.style(theirs, dim=True), *_drawn(context, demo, expected[place], room)] if place < len(expected) else []
        if not beside:
            yield from (*left, *right)
            continue
        for row in range(max(len(left), len(right))):
            one = left[row] if row < len(left) else ""
            other = right[row] if row < len(right) else ""
            yield f"{one}{' ' * (room + GAP - cell_len(click.unstyle(one)))}{other}".rstrip()


def _drawn(context: AppContext, demo: Demo, item: Evidence, width: int) -> list[str]:
    from studyapp.render.chart_text import chart

    return chart(context.in_language(item, demo), width, HEIGHT).splitlines()
