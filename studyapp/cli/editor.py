"""The command that opens what a card is made of in the learner's editor."""

import click

from studyapp.cli import cli, complete
from studyapp.cli.read import with_context
from studyapp.context import AppContext
from studyapp.errors import DemoError


@cli.command("open")
@click.argument("question_id", metavar="ID", shell_complete=complete.questions)
@click.option("--demo", is_flag=True, help="Open the first demo that the question leans on instead.")
@with_context
def open_file(context: AppContext, question_id: str, demo: bool) -> None:
    """Open a question's file in $VISUAL or $EDITOR."""
    path = context.bank.unread.get(question_id) or context.question(question_id).path
    if demo:
        known = [context.catalog.demos[name] for name in context.question(question_id).demos if name in context.catalog.demos]
        if not known:
            raise DemoError(context.t("errors.no_demo_of", id=question_id), context.t("errors.demos_lists"))
        path = known[0].path
    click.echo(path)
    click.edit(filename=str(path))
