"""Where output goes: its encoding, its colour, what may reach a terminal, and what becomes of it when it fails."""

import os
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TextIO

import click
import click.utils

from studyapp.context import AppContext
from studyapp.errors import CallError, StudyError
from studyapp.i18n import Translations
from studyapp.plaintext import printable

READER_LEFT = 141
"""What a shell reports of a program that SIGPIPE has ended, as in `studyapp demos | head`."""


def prepare_streams() -> None:
    """UTF-8 for files and pipes whatever the locale; at a terminal a sign it cannot show becomes a question mark."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is None:  # closed, or put there by another program
            continue
        if stream.isatty():
            reconfigure(errors="replace")
        else:
            reconfigure(encoding="utf-8", errors="backslashreplace")


def colour(environ: Mapping[str, str] = os.environ) -> bool | None:
    """False where no colour is wanted (NO_COLOR, TERM=dumb), else None: click colours a terminal and nothing else."""
    return False if environ.get("NO_COLOR") or environ.get("TERM") == "dumb" else None


def need_terminal(context: AppContext) -> None:
    """Refuse to open the app where nobody could see or answer it.

    Raises:
        CallError: where input or output is no terminal.
    """
    streams: tuple[TextIO | None, ...] = (sys.stdin, sys.stdout, sys.stderr)
    if not all(stream is not None and not stream.closed and stream.isatty() for stream in streams):
        raise CallError(context.t("errors.no_terminal"), context.t("errors.no_terminal_hint"))


def tell(t: Translations, error: StudyError) -> None:
    """Say on stderr what went wrong and what to do about it, in the learner's language."""
    click.echo(f"studyapp: {printable(t.message(error.message))}", err=True)
    if error.hint:
        click.echo(f"  {printable(t.message(error.hint))}", err=True)


class SafeOutput(click.Group):
    """A group whose output may fail: a reader that has left ends it quietly, a full disk is told."""

    def main(self, *args: Any, **extra: Any) -> Any:
        prepare_streams()
        try:
            return super().main(*args, **extra)
        except OSError as error:
            if not _from_echo(error):
                raise
            click.echo(f"studyapp: the output cannot be written: {error.strerror}", err=True)
            raise SystemExit(1) from None

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            if not _from_echo(error):
                raise
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # so that the exit can flush what is left
            ctx.exit(READER_LEFT)


def _from_echo(error: OSError) -> bool:
    """Whether `click.echo` raised it; any other place is a bug."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return bool(frame.f_globals["__name__"] == click.utils.__name__)


def table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Columns as wide as their widest, the first to the left."""
    from rich.cells import cell_len

    widths = [max(cell_len(cell) for cell in column) for column in zip(*rows, strict=True)]
    for row in rows:
        spaces = [" " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True)]
        yield row[0] + spaces[0] + "".join(f"  {space}{cell}" for cell, space in zip(row[1:], spaces[1:], strict=True))
