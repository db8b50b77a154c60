"""The command that reads one question: a page for a terminal, Markdown for a pipe, JSON for a program."""

import shutil
import sys

import click

from studyapp.cli import cli, complete
from studyapp.cli.read import as_json, say_json, with_context
from studyapp.cli.terminal import tell
from studyapp.context import AppContext


@cli.command()
@click.argument("question_id", metavar="ID", shell_complete=complete.questions)
@as_json
@with_context
def show(context: AppContext, question_id: str, as_json: bool) -> None:
    """Print a question with its answer, points, corrections, evidence and sources."""
    question = context.question(question_id)
    document = context.document(question)
    if as_json:
        from studyapp.render.document_json import as_dict

        state = context.store.card(question.card_id)
        due_at = context.due_at(state)
        card = {
            "state": state.state,
            "due_at": due_at.isoformat() if due_at else None,
            "stability": state.stability,
            "difficulty": state.difficulty,
            "reps": state.reps,
            "lapses": state.lapses,
        }
        say_json({**as_dict(document), "card": card})
    elif sys.stdout.isatty():
        from studyapp.render.page import page

        click.echo(page(document, context.t, shutil.get_terminal_size().columns), nl=False)
    else:
        from studyapp.render.document_markdown import to_markdown

        click.echo(to_markdown(document, context.t), nl=False)
    if context.unread:
        tell(context.t, context.unread)
