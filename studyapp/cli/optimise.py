"""`studyapp optimise`: the weights of FSRS from one's own reviews, and what a retention costs."""

from collections.abc import Iterator
from typing import Any

import click

from studyapp.cli import cli
from studyapp.cli.read import as_json, say_json, with_context
from studyapp.cli.terminal import table
from studyapp.context import AppContext
from studyapp.errors import CallError
from studyapp.plaintext import printable

BAR = 30


@cli.command()
@click.option("--dry-run", is_flag=True, help="Fit and report, and change nothing.")
@click.option("--back", is_flag=True, help="Go back to the weights before the last change.")
@click.option("--reschedule", is_flag=True, help="Give all cards in review the due days that the weights in use would have given them.")
@click.option("--undo-reschedule", is_flag=True, help="Take the last rescheduling back.")
@click.option("--simulate", is_flag=True, help="Chart what each desired retention costs: minutes a day against what is known.")
@as_json
@with_context
def optimise(
    context: AppContext, dry_run: bool, back: bool, reschedule: bool, undo_reschedule: bool, simulate: bool, as_json: bool
) -> None:
    """Fit the weights of FSRS to your own reviews, and keep them where they predict better than those in use.

    They are judged on the newest fifth of your reviews, which the fit did not see. What was reviewed stays as it was scheduled
    until you ask for --reschedule.
    """
    if sum((dry_run, back, reschedule, undo_reschedule, simulate)) > 1:
        raise CallError(context.t("optimise.one_thing"))
    if simulate:
        said: Any = _simulated(context)
        lines = list(_chart(context, said))
    elif reschedule or undo_reschedule:
        said, lines = _moved(context, undo_reschedule)
    else:
        said, lines = _back(context) if back else _fitted(context, dry_run)
    if as_json:
        say_json(said)
    else:
        for line in lines:
            click.echo(printable(line))


def _fitted(context: AppContext, dry_run: bool) -> tuple[Any, list[str]]:
    from studyapp.reviews import optimise as fitting

    store, t = context.store, context.t
    reviews = fitting.predicted(store.events())
    if len(reviews) < fitting.LEAST:
        raise CallError(t("optimise.too_few", n=len(reviews), least=fitting.LEAST), t("optimise.too_few_hint"))
    before = store.scheduler.parameters
    result = fitting.fit(reviews, before, len(context.settings.relearning_steps_minutes))
    keep = result.better and not dry_run
    if keep:
        fitting.remember(store, result, before, context.clock())
        context.change(parameters=result.parameters)
    outcome = "kept" if keep else "would_keep" if result.better else "left"
    lines = [
        t("optimise.fitted", n=result.reviews, held=result.held_out),
        t("optimise.losses", before=f"{result.before:.4f}", after=f"{result.after:.4f}"),
        t(f"optimise.{outcome}"),
    ]
    said = {
        "reviews": result.reviews,
        "held_out": result.held_out,
        "log_loss_before": round(result.before, 6),
        "log_loss_after": round(result.after, 6),
        "kept": keep,
        "parameters": list(result.parameters),
    }
    return said, lines


def _back(context: AppContext) -> tuple[Any, list[str]]:
    from studyapp.reviews import optimise as fitting
    from studyapp.settings import Settings

    store, t = context.store, context.t
    fitted = [event for event in fitting.versions(store) if not event.data["back"]]
    last = next((event for event in reversed(fitted) if tuple(event.data["parameters"]) == store.scheduler.parameters), None)
    if last is None:
        raise CallError(t("optimise.no_back"), t("optimise.no_back_hint"))
    before, were = store.scheduler.parameters, tuple(last.data["were"])
    loss = tuple(last.data["log_loss"])
    fitting.remember(store, fitting.Fit(int(last.data["reviews"]), 0, loss[1], loss[0], were), before, context.clock(), back=True)
    usual = were == type(store.scheduler)(Settings()).parameters
    context.change(parameters=None if usual else were)
    return {"parameters": list(were), "kept": True}, [t("optimise.went_back")]


def _moved(context: AppContext, undo: bool) -> tuple[Any, list[str]]:
    from studyapp.reviews import optimise as fitting

    count = (fitting.take_back if undo else fitting.reschedule)(context.store, context.clock())
    if not count:
        return {"cards": 0}, [context.t("optimise.none_back" if undo else "optimise.none_moved")]
    return {"cards": count}, [context.t.count("optimise.taken_back" if undo else "optimise.rescheduled", count)]


def _simulated(context: AppContext) -> list[dict[str, float]]:
    from studyapp.planning import costs_of_retention

    return [
        {"retention": each.retention, "minutes": round(each.minutes, 2), "known": round(each.known, 3), "recall": round(each.recall, 4)}
        for each in costs_of_retention(context)
    ]


def _chart(context: AppContext, rows: list[dict[str, float]]) -> Iterator[str]:
    """A bar of minutes a day for each retention, and what is recalled at the end."""
    t, most = context.t, max(row["minutes"] for row in rows) or 1.0
    now = min(rows, key=lambda row: abs(row["retention"] - context.settings.desired_retention))
    yield t("optimise.simulated", new=context.settings.new_per_day)
    heads = [t("optimise.retention"), t("optimise.minutes"), t("optimise.known"), ""]
    cells = [
        [
            f"{row['retention']:.0%}{' ◂' if row is now else ''}",
            f"{row['minutes']:.1f}",
            f"{row['known']:.0f}",
            "█" * max(1, round(BAR * row["minutes"] / most)) + " " * (BAR - max(1, round(BAR * row["minutes"] / most))),
        ]
        for row in rows
    ]
    yield from (line.rstrip() for line in table([heads, *cells]))
    yield t("optimise.simulated_note")
