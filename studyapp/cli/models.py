"""The command on named models: a table of them, one of them whole, JSON for a program."""

import shutil
import sys
from collections.abc import Sequence
from typing import Any

import click

from studyapp.cli import cli, complete
from studyapp.cli.read import as_json, say_json, with_context
from studyapp.context import AppContext
from studyapp.errors import BankError, Message, did_you_mean


@cli.command()
@click.argument("names", metavar="[NAME]...", nargs=-1, shell_complete=complete.models)
@click.option("--columns", metavar="A,B,…", help="The columns to show, by name: `--columns help` lists them.")
@click.option("--topic", shell_complete=complete.topics, help="The columns that the questions of a topic are about.")
@as_json
@with_context
def models(context: AppContext, names: tuple[str, ...], columns: str | None, topic: str | None, as_json: bool) -> None:
    """List named models, newest first; with one NAME all that is known of it, and where it was read."""
    from studyapp.bank.models import by_date
    from studyapp.export.selection import require_topics
    from studyapp.render.model_table import COLUMNS, DEFAULT, columns_of

    if columns == "help":
        for name in COLUMNS:
            click.echo(f"{name:<12}{context.t(f'models.column_{name}')}")
        return
    if topic:
        require_topics([topic], context.bank, context.t)
    chosen = _chosen(context, names) if names else by_date(context.bank.models)
    wanted = _columns(columns) if columns else columns_of(topic) if topic else DEFAULT
    if as_json:
        say_json([as_dict(model) for model in chosen])
    elif len(chosen) == 1 and names and not columns:
        _one(context, chosen[0])
    else:
        _table(context, chosen, wanted, fixed=bool(columns))


def as_dict(model: Any) -> dict[str, Any]:
    """A row for JSON: what models.yaml says, and under `computed` what follows from it exactly."""
    import msgspec

    from studyapp.bank import models as computing

    row: dict[str, Any] = msgspec.to_builtins(model)
    numbers = computing.cached_numbers(model)
    row["computed"] = {
        "parameters": computing.counted_parameters(model),
        "cached_numbers_per_token": numbers,
        "cache_bytes_per_token_16_bit": None if numbers is None else 2 * numbers,
    }
    return row


def _chosen(context: AppContext, names: Sequence[str]) -> list[Any]:
    """The models of the names given, in their order; a family is all its members."""
    from studyapp.bank.models import named

    chosen: dict[str, Any] = {}
    for name in names:
        found = named(context.bank.models, name)
        if not found:
            known = {n for m in context.bank.models.values() for n in (*m.names, m.family) if n}
            hint = did_you_mean(name, known, most=3) or Message("`studyapp models` lists them")
            raise BankError("there is no model {name!r}", hint, name=name)
        chosen |= {m.id: m for m in found}
    return list(chosen.values())


def _columns(text: str) -> tuple[str, ...]:
    """The columns of a list such as "name,date,total"."""
    from studyapp.render.model_table import COLUMNS

    names = tuple(part.strip().replace("-", "_") for part in text.split(",") if part.strip())
    for name in names:
        if name not in COLUMNS:
            known = did_you_mean(name, COLUMNS) or Message("the columns are {names}", names=", ".join(COLUMNS))
            refusal = Message("there is no column {name!r}; {known}", name=name, known=known)
            raise click.BadParameter(click.get_current_context().obj.t.message(refusal), param_hint="--columns")
    return names or ("name",)


def _table(context: AppContext, models: Sequence[Any], columns: Sequence[str], *, fixed: bool) -> None:
    """Columns that do not fit the terminal are left out from the right, and named; a pipe gets all of them."""
    from studyapp.render.chart_text import table_text
    from studyapp.render.model_table import table

    width = shutil.get_terminal_size().columns if _on_terminal() else 10_000
    shown = list(columns)
    while not fixed and len(shown) > 2 and _natural(table(models, shown, context.language)) > width:
        shown.pop()
    click.echo(table_text(table(models, shown, context.language), width))
    if "cache" in shown:
        click.echo(context.t("models.cache_note"), err=True)
    if left := [context.t(f"models.column_{name}") for name in columns[len(shown) :]]:
        click.echo(context.t("models.hidden", n=len(left), names=", ".join(left)), err=True)


def _on_terminal() -> bool:
    return sys.stdout.isatty()


def _natural(table: Any) -> int:
    """The cells that a table takes with nothing cut."""
    from rich.cells import cell_len

    rows = [table.columns, *table.rows]
    return sum(max(cell_len(str(row[i])) for row in rows) + 2 for i in range(len(table.columns))) - 2


def _one(context: AppContext, model: Any) -> None:
    from rich.cells import cell_len

    from studyapp.render.model_table import facts, sources

    rows = facts(model, context.language)
    width = max(cell_len(label) for label, _ in rows)
    for label, text in rows:
        click.echo(f"{click.style(label, bold=True)}{' ' * (width - cell_len(label) + 2)}{text}")
    click.echo(f"\n{context.t('models.sources')}")
    for source in sources(model, context.language):
        click.echo(f"  {source}")
