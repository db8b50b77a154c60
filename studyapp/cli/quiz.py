"""The command that asks: choices and numbers, scored, scheduling nothing. Questions go to standard output, answers come from
standard input, at a terminal or through pipes."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from random import randrange

import click

from studyapp.cli import cli, complete
from studyapp.cli.read import with_context
from studyapp.context import AppContext
from studyapp.errors import AnswerError
from studyapp.plaintext import printable
from studyapp.quiz.kinds import Asked, Grade, Response
from studyapp.quiz.quiz import Quiz
from studyapp.quiz.registry import QUIZZED

LETTERS = "abcdefgh"


@cli.command()
@click.option("--topic", "topics", multiple=True, shell_complete=complete.topics, help="Of this topic; may be repeated.")
@click.option("--kind", "kinds", multiple=True, type=click.Choice(QUIZZED), help="Of this kind; may be repeated.")
@click.option("-n", "count", type=click.IntRange(1, 1000), default=20, show_default=True, help="So many.")
@click.option("--seed", type=int, help="Asks the same again; without it another quiz each time.")
@with_context
def quiz(context: AppContext, topics: tuple[str, ...], kinds: tuple[str, ...], count: int, seed: int | None) -> None:
    """Ask choices and numbers, with a score and the misses at the end; schedules nothing.

    A choice is answered by its letter, a number as people type them: 1.25, 1.25 GiB, 1280 MiB, 1.3e9, 2^20. Questions go to
    standard output and answers come from standard input, one a line. Leaves with 1 where an answer was wrong.
    """
    from studyapp.export.selection import require_topics

    require_topics(topics, context.bank, context.t)
    questions = [q for q in context.scheduled() if not topics or q.topic in topics]
    drawn = Quiz.draw(questions, kinds or QUIZZED, count, randrange(2**31) if seed is None else seed)
    asyncio.run(_ask_all(context, drawn))
    _summary(context, drawn)
    click.get_current_context().exit(1 if drawn.missed else 0)


async def _ask_all(context: AppContext, drawn: Quiz) -> None:
    """Ask until the quiz or the input ends."""
    async for asked in _questions(context, drawn):
        _show(context, drawn, asked)
        shown = time.monotonic()
        while (typed := _typed(context)) is not None:
            try:
                response = _response(asked, typed, time.monotonic() - shown)
                grade = drawn.answer(asked, response)
            except AnswerError as error:  # no answer, and so no wrong one
                click.echo(f"  {printable(context.t.message(error.message))}: {printable(context.t.message(error.hint))}")
                continue
            _explain(context, asked, grade)
            break
        else:
            return


async def _questions(context: AppContext, drawn: Quiz) -> AsyncIterator[Asked]:
    """What is asked, each drill made by its demo; the lab is started by the first of them."""
    from studyapp.lab.client import LabClient
    from studyapp.quiz.drill import drawn as made

    async with LabClient() as lab:
        while (asked := drawn.next()) is not None:
            yield await made(asked, context.catalog, lab, context.t)


def _show(context: AppContext, drawn: Quiz, asked: Asked) -> None:
    from studyapp.render.linebreak import wrapped

    place = context.t("quiz.place", n=len(drawn.answered) + 1, of=len(drawn.cards))
    click.echo(f"\n{click.style(place, dim=True)}  {click.style(asked.question.id, dim=True)}")
    for line in wrapped(printable(asked.text[context.language]), _width()):
        click.echo(line)
    for letter, option in zip(LETTERS, asked.options, strict=False):
        first, *rest = wrapped(printable(option[context.language]), _width() - 4)
        click.echo(f"  {letter} {first}")
        for line in rest:
            click.echo(f"    {line}")


def _width() -> int:
    import shutil

    return min(100, shutil.get_terminal_size().columns)


def _typed(context: AppContext) -> str | None:
    """The next line of input; None at its end."""
    if sys.stdin.isatty():
        click.echo(context.t("quiz.prompt"), nl=False)
        sys.stdout.flush()
    line = sys.stdin.readline()
    return line.strip() if line else None


def _response(asked: Asked, typed: str, seconds: float) -> Response:
    """What was typed, as an answer of the card's kind."""
    if asked.number is not None:
        return Response(typed=typed, seconds=seconds)
    named = {each.casefold(): n for n, option in enumerate(asked.options) for each in (option.en, option.zh, option.en[:1])}
    letters = {letter: n for n, letter in enumerate(LETTERS[: len(asked.options)])}
    digits = {str(n + 1): n for n in range(len(asked.options))}
    chosen = {**(named if len(asked.options) == 2 else {}), **letters, **digits}.get(typed.casefold(), -1)
    return Response((chosen,), seconds=seconds)


def _explain(context: AppContext, asked: Asked, grade: Grade) -> None:
    from studyapp.render.document import citation_text
    from studyapp.render.linebreak import wrapped
    from studyapp.render.quiz import explain

    told, language = explain(asked, context.bank), context.language
    verdict = click.style("✓", fg="green") if grade.right else click.style("✗", fg="red")
    click.echo(f"{verdict} {context.t('quiz.right' if grade.right else 'quiz.wrong', answer=printable(told.answer[language]))}")
    for line in told.lines:
        for row in wrapped(printable(line[language]), _width() - 2):
            click.echo(f"  {row}")
    if where := told.heard[language]:
        click.echo(f"  {context.t('document.heard', where=printable(where))}")
    for claim in told.claims:
        click.echo(f"  studyapp run {claim}")
    for cite in told.support.cite if told.support and not told.claims else ():
        click.echo(f"  · {printable(citation_text(cite, context.bank))}")


def _summary(context: AppContext, drawn: Quiz) -> None:
    click.echo(f"\n{context.t('quiz.score', right=drawn.right, of=len(drawn.answered), seed=drawn.seed)}")
    for missed in dict.fromkeys(each.asked.question for each in drawn.missed):
        click.echo(f"  studyapp show {missed.id}")
