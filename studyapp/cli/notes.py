"""The commands that note something about a question: a star, a note."""

import click

from studyapp.cli import cli, complete
from studyapp.cli.read import as_json, say_json, with_context
from studyapp.context import AppContext
from studyapp.errors import CallError
from studyapp.plaintext import printable

STDIN = "-"


@cli.command()
@click.argument("question_id", metavar="ID", shell_complete=complete.questions)
@click.option("--off", is_flag=True, help="Take the star away.")
@as_json
@with_context
def star(context: AppContext, question_id: str, off: bool, as_json: bool) -> None:
    """Give a question a star, or take it away."""
    question = context.question(question_id)
    annotation = context.acts().annotate(question.card_id, context.clock(), starred=not off)
    if as_json:
        say_json({"id": question.id, "starred": annotation.starred, "note": annotation.note})
    else:
        click.echo(context.t("act.unstar" if off else "act.star", card=question.id))


@cli.command()
@click.argument("question_id", metavar="ID", shell_complete=complete.questions)
@click.argument("text", required=False)
@click.option("--edit", is_flag=True, help="Write it in $VISUAL or $EDITOR.")
@as_json
@with_context
def note(context: AppContext, question_id: str, text: str | None, edit: bool, as_json: bool) -> None:
    """Print your note on a question, or put TEXT in its place: - reads it from standard input, "" takes it away."""
    question = context.question(question_id)
    if edit and text is not None:
        raise CallError(context.t("cli.note_twice"), context.t("cli.note_twice_hint"))
    before = context.annotation(question)
    if edit:
        text = click.edit(before.note, extension=".md")  # None where it was left as it was
    elif text == STDIN:
        with click.open_file("-", errors="replace") as stream:
            text = stream.read()
    after = before if text is None else context.acts().annotate(question.card_id, context.clock(), note=text)
    if as_json:
        say_json({"id": question.id, "starred": after.starred, "note": after.note})
    elif text is None and not edit:
        click.echo(printable(after.note) if after.note else context.t("cli.no_note", id=question.id))
    elif after == before:
        click.echo(context.t("cli.note_same", id=question.id))
    else:
        click.echo(context.t("cli.note_kept" if after.note else "cli.note_gone", id=question.id))


@cli.command()
@as_json
@with_context
def notes(context: AppContext, as_json: bool) -> None:
    """List the questions that have a star or a note."""
    found = context.annotations()
    order = [q.id for q in context.bank.in_order() if q.id in found]
    order += [name for name in found if name not in order]  # of questions that the bank does not hold now
    if as_json:
        say_json([{"id": name, "starred": found[name].starred, "note": found[name].note} for name in order])
        return
    for name in order:
        first, _, rest = found[name].note.partition("\n")
        sign = "★" if found[name].starred else " "
        end = f"\t{printable(first)}{' …' if rest else ''}" if first else ""
        click.echo(f"{sign} {click.style(printable(name), bold=True)}{end}")
    if not order:
        click.echo(context.t("cli.no_notes"))
