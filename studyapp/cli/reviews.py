"""The commands that look after the reviews: undo, merge, backup, restore, begin-anew, doctor."""

from pathlib import Path
from typing import Any

import click

from studyapp.cli import cli
from studyapp.cli.read import as_json, say_json, with_context
from studyapp.context import AppContext
from studyapp.errors import StoreError, StudyError
from studyapp.plaintext import printable

LABELLED = ("data", "questions", "findings", "demos", "cache", "database")
"""What `doctor` names in the learner's language; the rest are names of packages."""


@cli.command()
@with_context
def undo(context: AppContext) -> None:
    """Take back the last thing done to a card on this computer, and say what it was."""
    from studyapp.render.acts import describe
    from studyapp.reviews.log import ANNOTATIONS

    event = context.store.undo(context.clock())
    if event is None:
        raise StoreError(context.t("act.nothing"), context.t("act.nothing_hint"))
    when, what = f"{context.local(event.at):%Y-%m-%d %H:%M}", describe(context.t, event)
    if event.kind in ANNOTATIONS:
        click.echo(printable(context.t("act.undone_annotation", what=what, when=when)))
    else:
        state = context.t(f"browse.state_{context.store.card(event.card).state}")
        click.echo(printable(context.t("act.undone_at", what=what, when=when, state=state)))


@cli.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@with_context
def merge(context: AppContext, file: Path) -> None:
    """Take in the reviews of another computer's reviews.db, which is only read. Run it on both to have all on both."""
    from studyapp.reviews.merge import merge as unite

    merged = unite(context.store, file)
    click.echo(context.t.count("cli.merged", merged.new, known=merged.known))
    if merged.backup:
        click.echo(context.t("cli.merged_before", path=merged.backup))


@cli.command()
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Where to; without it, the backups folder."
)
@with_context
def backup(context: AppContext, output: Path | None) -> None:
    """Copy the database of reviews."""
    from studyapp.files import spare

    if output:
        spare(context.home, output)
    click.echo(context.store.backup(output))


@cli.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@with_context
def restore(context: AppContext, file: Path) -> None:
    """Put a backup in the database's place; the present one is kept beside it."""
    from studyapp.reviews.restore import restore as put_back
    from studyapp.reviews.sqlite_errors import command

    restored = put_back(file, context.database)
    click.echo(context.t.count("cli.restored", restored.events))
    if restored.aside:
        click.echo(context.t("cli.restored_aside", command=command("restore", str(restored.aside))))


@cli.command()
@with_context
def begin_anew(context: AppContext) -> None:
    """Make an empty database where the reviews are gone; what is left of them stays where it is."""
    from studyapp.reviews.store import Store

    if context.database.exists() and context.database.stat().st_size:
        raise StoreError(context.t("cli.not_gone", path=context.database), context.t("cli.not_gone_hint"))
    Store.open(context.database, context.settings, context.clock(), anew=True).close()
    click.echo(context.t("cli.begun_anew", path=context.database))


def cache_state(context: AppContext) -> str:
    """Where the parsed bank is kept, and whether the next start will read it."""
    from studyapp.bank.compiled import is_kept
    from studyapp.paths import questions_dir

    if context.cache is None:
        return context.t("cli.no_cache")
    kept = is_kept(questions_dir(), context.banks, context.cache)
    return f"{context.cache}, {context.t('cli.well' if kept else 'cli.parsed_each_time')}"


def installed(context: AppContext, package: str) -> str:
    """The version of a package, or that it is missing."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return context.t("cli.missing")


def database_state(context: AppContext) -> tuple[str, list[str]]:
    """How the database is, and for each card that the log makes another, what differs."""
    from studyapp.reviews.repair import changes

    store = context.store
    found = [f"{each.card}: {'; '.join(map(context.t.message, changes(each)))}" for each in store.differences()]
    faults = store.index_faults()
    if found or faults:
        said = context.t.count("cli.cards_differ", len(found)) if found else context.t("cli.index_faults")
        return said, found + faults
    return context.t.count("cli.database_well", store.count("cards")), []


def rebuilt(context: AppContext) -> None:
    """Make the cards anew from the log, and say what differed."""
    from studyapp.reviews.repair import changes, rebuild

    found, aside = rebuild(context.database, context.settings)
    for each in found:
        click.echo(printable(f"  {each.card}: {'; '.join(map(context.t.message, changes(each)))}".rstrip(": ")))
    click.echo(context.t.count("cli.rebuilt", len(found)))
    if aside:
        click.echo(context.t("cli.rebuilt_aside", path=aside))


@cli.command()
@click.option("--rebuild", is_flag=True, help="Make the cards anew from the log of reviews, and say which differed.")
@as_json
@with_context
def doctor(context: AppContext, rebuild: bool, as_json: bool) -> None:
    """Say what is installed, where things lie and whether they are well; leaves with 1 where they are not."""
    import platform

    from rich.cells import cell_len

    from studyapp import __version__
    from studyapp.reviews.sqlite_errors import command

    if rebuild:
        rebuilt(context)
        return
    said: dict[str, Any] = {
        "studyapp": __version__,
        "python": platform.python_version(),
        **{p: installed(context, p) for p in ("torch", "textual", "fsrs", "genanki")},
        "data": str(context.home),
        "questions": len(context.bank.questions),
        "findings": len(context.bank.findings),
        "demos": len(context.catalog.demos),
        "cache": cache_state(context),
    }
    ill: StudyError | None = None
    differing: list[str] = []
    try:
        said["database"], differing = database_state(context)
    except StudyError as error:
        ill = error
        said["database"] = context.t.message(error.message)
    if differing:
        hint = context.t("cli.rebuild_hint", command=command("doctor", "--rebuild"))
        ill = StoreError("{path}: {found}", hint, path=context.database, found=said["database"])
    if as_json:
        say_json({**said, "differing": differing})
    else:
        labels = {name: context.t(f"cli.doctor_{name}") if name in LABELLED else name for name in said}
        width = max(12, 2 + max(map(cell_len, labels.values())))
        for name, value in said.items():
            click.echo(f"{labels[name]}{' ' * (width - cell_len(labels[name]))}{printable(str(value))}")
        for line in differing:
            click.echo(f"{' ' * width}{printable(line)}")
    if ill:
        raise ill
