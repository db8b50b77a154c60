"""`studyapp interview`: begin one in the app, or print the score sheet of one that was held."""

import sys

import click

from studyapp.cli import cli, complete
from studyapp.cli.read import as_json, say_json, with_context
from studyapp.context import AppContext
from studyapp.plaintext import printable


@cli.command()
@click.option("--minutes", type=click.IntRange(5, 120), default=30, show_default=True, help="How long it takes.")
@click.option("--topics", metavar="TOPIC,…", default="", shell_complete=complete.topics, help="What it opens with; all without it.")
@click.option(
    "--level", type=click.Choice(["core", "deep", "frontier"]), default="core", show_default=True, help="The highest level of an opening."
)
@click.option("--list", "listed", is_flag=True, help="List the interviews that were held.")
@click.option("--sheet", metavar="ID", help="Print the score sheet of one that was held as Markdown; `last` is the last.")
@as_json
@with_context
def interview(
    context: AppContext, minutes: int, topics: str, level: str, listed: bool, sheet: str | None, as_json: bool
) -> None:
    """Hold a mock interview in the app: openings, follow-ups, a clock, a score sheet.

    With --list or --sheet it prints what was held instead.
    """
    from studyapp import interviews
    from studyapp.render.figures import percent

    if sheet is not None:
        one = interviews.found(context, sheet)
        if as_json:
            say_json(interviews.as_dict(context, one))
        else:
            click.echo(printable(interviews.markdown(context, one)), nl=False)
        return
    if listed or as_json:
        every = interviews.held(context)
        if as_json:
            say_json([interviews.as_dict(context, one) for one in every])
            return
        for one in every:
            when, said = f"{context.local(one.began):%Y-%m-%d %H:%M}", percent(interviews.score(context, one).said)
            click.echo(context.t("interview.list_row", when=when, id=one.id, minutes=f"{one.minutes:.0f}", n=len(one.answers), said=said))
        if not every:
            click.echo(f"{context.t('interview.none')}\n  {context.t('interview.none_hint')}", err=True)
            sys.exit(1)
        return
    from studyapp.cli.app import open_app

    names = tuple(name.strip() for name in topics.split(",") if name.strip())
    context.require_scheduled(names)
    open_app(context, interview=(minutes, names, level))
