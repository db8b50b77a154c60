"""The command line: parse, call, print. What a person can mend goes to stderr with its hint: exit code 1, or 2 for a wrong call."""

from pathlib import Path
from typing import Any

import click

from studyapp import __version__
from studyapp.cli.terminal import SafeOutput, colour, tell
from studyapp.context import AppContext, terminal_words
from studyapp.errors import StudyError
from studyapp.plaintext import printable


class Commands(SafeOutput):
    """A group that tells a StudyError from a bug."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except StudyError as error:
            context = ctx.find_object(AppContext)  # none where there is no home to make one in
            tell(context.words_for_errors if context else terminal_words(ctx.params.get("language")), error)
            ctx.exit(error.exit_code)


@click.group(cls=Commands, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="studyapp")
@click.option(
    "--bank",
    "banks",
    multiple=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Read the questions of this folder too; its name is put before their ids. May be repeated.",
)
@click.option("--lang", "language", type=click.Choice(["en", "zh"]), help="The language to show, for this run.")
@click.pass_context
def cli(ctx: click.Context, banks: tuple[Path, ...], language: str | None) -> None:
    """Study LLM interview questions whose answers are proven by demos.

    Without a command it opens the study app.
    """
    ctx.color = colour()
    ctx.obj = AppContext(banks=banks, language=language)
    ctx.call_on_close(ctx.obj.close)
    if banks and ctx.invoked_subcommand != "check":  # which says it itself, and more
        for notice in ctx.obj.bank_notices():
            click.echo(printable(notice), err=True)
    if ctx.invoked_subcommand is None:
        from studyapp.cli.app import open_app

        open_app(ctx.obj)


from studyapp.cli import (  # noqa: E402  the commands add themselves to the group
    act,
    check,
    demos,
    editor,
    export,
    interview,
    models,
    notes,
    optimise,
    plan,
    quiz,
    read,
    reviews,
    show,
    write,
)

__all__ = [
    "act", "check", "cli", "demos", "editor", "export", "interview", "models", "notes", "optimise", "plan", "quiz", "read", "reviews",
    "show", "write",
]  # fmt: skip
