"""The commands that write the bank for other programs and for paper."""

import asyncio
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from studyapp.cli import cli, complete
from studyapp.cli.read import with_context
from studyapp.cli.terminal import tell
from studyapp.context import AppContext
from studyapp.errors import CallError, ExportError
from studyapp.quiz.registry import QUIZZED

if TYPE_CHECKING:
    from studyapp.export.options import EvidenceForm, ExportOptions
    from studyapp.quiz.kinds import Asked

STDOUT = Path("-")
EXAMPLES = (1, 2, 3)
"""The seeds of the examples of a number; a choice is drawn from the first."""
output = click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help="The file to write; - is standard output, for all but anki.",
)
topics = click.option(
    "--topic", "topics", multiple=True, shell_complete=complete.topics, help="Only this topic; may be repeated."
)


@cli.command()
@click.argument("form", type=click.Choice(["anki", "csv", "markdown", "json"]))
@output
@topics
@click.option("--id", "ids", multiple=True, shell_complete=complete.questions, help="Only this question; may be repeated.")
@click.option("--find", "query", metavar="QUERY", help="Only what a search finds: words and operators, such as 'is:leech topic:moe'.")
@click.option("--weak", is_flag=True, help="Only what you have forgotten and not yet made up for.")
@click.option(
    "--lang",
    "language",
    type=click.Choice(["zh", "en", "both"]),
    help="Without it the app's language, and both for json; the second of both is folded away on cards.",
)
@click.option("--progress", is_flag=True, help="Put the schedule and the reviews in too (anki, json).")
@click.option(
    "--evidence",
    type=click.Choice(["none", "charts", "tables"]),
    help="What Markdown shows of what claims recorded: a line each, charts in a folder beside it, or tables.",
)
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    type=click.Choice(QUIZZED),
    help="Put choices or numbers in too, the latter with three examples each, as cards of their own (anki); may be repeated.",
)
@click.option("--notes/--no-notes", default=True, help="Put your stars and notes in too; they are in unless you say no.")
@with_context
def export(
    context: AppContext,
    form: str,
    output: Path | None,
    topics: tuple[str, ...],
    ids: tuple[str, ...],
    query: str | None,
    weak: bool,
    language: str | None,
    progress: bool,
    evidence: "EvidenceForm | None",
    kinds: tuple[str, ...],
    notes: bool,
) -> None:
    """Write flashcards for Anki, Markdown to read, or JSON for programs."""
    from studyapp.export.formats import FORMATS, TEXT, WITH_PROGRESS
    from studyapp.export.selection import weak as weak_questions
    from studyapp.reviews.annotations import Annotation

    t = context.t
    if output is None:
        raise CallError(t("export.no_output"), t("export.no_output_hint"))
    if progress and form not in WITH_PROGRESS:
        raise CallError(t("export.no_progress", forms=", ".join(WITH_PROGRESS), form=form), t("export.leave_out"))
    if evidence and form != "markdown":
        raise CallError(t("export.no_evidence", form=form), t("export.leave_out"))
    if kinds and form != "anki":
        raise CallError(t("export.no_kinds", form=form), t("export.leave_out"))
    if output == STDOUT and form not in TEXT:
        raise CallError(t("export.no_text"), t("export.no_text_hint"))
    if query is not None:
        from studyapp.card_search import find

        among = [question.id for question in find(context, query)]
        ids = tuple(i for i in among if not ids or i in ids)
        if not ids:
            raise ExportError(t("errors.nothing_found", words=query), t("export.nothing_hint"))
    if weak:
        slipping = weak_questions(context.store.cards())
        ids = tuple(i for i in slipping if not ids or i in ids)
        if not ids:
            raise ExportError(t("export.no_weak"), t("export.no_weak_hint"))
    languages = _languages(context, language or ("both" if form == "json" else context.language))
    options = _options(context, output, topics, languages)
    options = replace(options, ids=ids, store=context.store if progress else None, evidence=evidence or "none")
    if kinds:
        options = replace(options, asked=asyncio.run(_asked(context, options, kinds)))
    if not notes:
        options = replace(options, document=lambda question: context.document(question, Annotation()))
    _say_written(context, FORMATS[form](options), output)
    if form == "csv":
        click.echo(t("export.csv_hint"), err=output == STDOUT)
    if context.unread:
        tell(context.t, context.unread)


async def _asked(context: AppContext, options: "ExportOptions", kinds: tuple[str, ...]) -> "tuple[Asked, ...]":
    """The choices and the numbers of the questions that are exported, the latter made by their demos."""
    from studyapp.export.selection import select_questions
    from studyapp.lab.client import LabClient
    from studyapp.quiz.drill import examples
    from studyapp.quiz.registry import KINDS, ask

    questions = [question for question in select_questions(options) if question.level != "reference"]
    cards = {kind: [(question, card) for question in questions for card in KINDS[kind].cards(question)] for kind in kinds}
    choices = [ask(question, card, EXAMPLES[0]) for question, card in cards.get("choice", ())]
    async with LabClient() as lab:
        numbers = await examples(cards.get("drill", ()), context.catalog, lab, EXAMPLES, context.t)
    return (*choices, *numbers)


@cli.command()
@output
@topics
@click.option("--lang", "language", type=click.Choice(["zh", "en", "both"]), help="Without it the app's language.")
@with_context
def sheet(context: AppContext, output: Path | None, topics: tuple[str, ...], language: str | None) -> None:
    """Print what to say to each question, by topic: brief and points, as Markdown."""
    from studyapp.export.markdown import sheet as write

    output = output or STDOUT
    count = write(_options(context, output, topics, _languages(context, language or context.language)))
    if output != STDOUT:
        _say_written(context, count, output)


def _languages(context: AppContext, wanted: str) -> tuple[str, ...]:
    """The languages of an export, the app's first."""
    return tuple(dict.fromkeys((context.language, "en", "zh"))) if wanted == "both" else (wanted,)


def _options(context: AppContext, output: Path, topics: tuple[str, ...], languages: tuple[str, ...]) -> "ExportOptions":
    from studyapp.export.options import ExportOptions
    from studyapp.files import spare

    if output != STDOUT:
        spare(context.home, output)

    def progress(done: int, total: int) -> None:
        if sys.stderr.isatty():
            click.echo(f"\r{context.t('export.writing', done=done, total=total)}", nl=done == total, err=True)

    return ExportOptions(
        bank=context.bank,
        document=context.document,
        output=output,
        languages=languages,
        topics=topics,
        words=context.t,
        now=context.clock(),
        note_times=context.home / "edits.json",
        progress=progress,
    )


def _say_written(context: AppContext, count: int, output: Path) -> None:
    click.echo(context.t.count("export.written", count, path=output), err=output == STDOUT)
