"""The commands that only read: due, search, check, demos, stats. Each has `--json`."""

import json
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import click

from studyapp.cli import cli
from studyapp.context import AppContext
from studyapp.plaintext import printable

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
with_context: Callable[..., Any] = click.pass_obj


def say_json(value: object) -> None:
    """Print a JSON document, Chinese as it is; what could steer a terminal stands escaped, as JSON allows."""
    click.echo(printable(json.dumps(value, ensure_ascii=False, indent=2)))


@cli.command()
@as_json
@with_context
def due(context: AppContext, as_json: bool) -> None:
    """How many cards are new, in learning and due, by topic."""
    from rich.cells import cell_len

    overview = context.overview()
    counts, topics = overview.today, overview.decks
    if as_json:
        rows = [
            {"topic": name, "total": t.total, "new": t.new, "learning": t.learning, "due": t.due, "recall": t.recall}
            for name, t in topics.items()
        ]
        waiting = {"new": counts.new, "learning": counts.learning, "due": counts.due}
        say_json({**waiting, "kinds": context.left_by_kind(), "topics": rows})
        return
    click.echo(context.t("cli.due", due=counts.due, new=counts.new, learning=counts.learning))
    if context.settings.kinds and (kinds := context.kinds_line(context.left_by_kind())):
        click.echo(kinds)
    titles = {name: printable(context.title(name, short=True)) for name in topics}
    width = max(map(cell_len, titles.values()), default=0)
    for name, t in topics.items():
        numbers = context.t("cli.due_topic", due=t.due, new=t.new, learning=t.learning, total=t.total)
        click.echo(f"  {titles[name]}{' ' * (width - cell_len(titles[name]))}{numbers}")
    if counts.new < sum(t.new for t in topics.values()):
        click.echo(context.t("cli.due_capped", limit=context.settings.new_per_day))


@cli.command()
@click.argument("words", nargs=-1, required=True)
@as_json
@with_context
def search(context: AppContext, words: tuple[str, ...], as_json: bool) -> None:
    """Find questions that hold all the words, in either language, and operators such as is:due, topic:moe, prop:r<0.8."""
    from studyapp.card_search import find

    found = find(context, " ".join(words))
    if as_json:
        say_json(
            [{"id": q.id, "topic": q.topic, "level": q.level, "ask": {"en": q.ask.en, "zh": q.ask.zh}} for q in found]
        )
    for q in found if not as_json else ():
        click.echo(f"{click.style(q.id, bold=True)}\t{q.ask[context.language]}")
    if not found:
        click.echo(context.t("errors.nothing_found", words=printable(" ".join(words))), err=True)
        click.get_current_context().exit(1)


def _habits(context: AppContext, today: int, forecast: list[int]) -> dict[str, object]:
    """What the page of numbers in the app draws beside the rest."""
    from studyapp.reviews import habits
    from studyapp.reviews import stats as numbers
    from studyapp.reviews.log import Rating

    reviews, store = context.store.graded(), context.store
    by_topic = habits.retention_by(reviews, lambda each: q.topic if (q := context.question_of(each.card)) else None)
    points = {q.card_id: len(q.points) for q in context.scheduled()}
    recalled = habits.by_hour(reviews, context.local)
    return {
        "forecast_dates": {numbers.date_of(today + n).isoformat(): due for n, due in enumerate(forecast)},
        "retention_by_topic": {topic: {"recalled": kept.recalled, "reviews": kept.reviews} for topic, kept in by_topic.items()},
        "hours": [
            {"answers": answers, "recalled": kept.recalled, "reviews": kept.reviews}
            for answers, kept in zip(habits.answers_by_hour(reviews, context.local), recalled, strict=True)
        ],
        "suggested": {
            Rating(rating).name.lower(): {
                "reviews": each.reviews,
                "taken": each.taken,
                "lower": each.lower,
                "higher": each.higher,
                "next_recalled": each.next.recalled,
                "next_reviews": each.next.reviews,
            }
            for rating, each in habits.suggestions(reviews).items()
        },
        "missed": [
            {"question": each.card.partition("#")[0], "point": each.point, "missed": each.missed, "reviews": each.reviews}
            for each in numbers.missed_points(store.ticks(), points)
        ],
    }


@cli.command()
@as_json
@with_context
def stats(context: AppContext, as_json: bool) -> None:
    """Retention, streak and the load of the days to come."""
    from studyapp.reviews import stats as numbers
    today, days = context.today(), context.store.days()
    retention = numbers.retention(days)
    forecast = context.overview().forecast[:14]
    reviews, streak = sum(day.reviews for day in days.values()), numbers.streak(days, today)
    if as_json:
        by_kind = {kind: numbers.retention({0: day}).share for kind, day in context.store.days_by_kind().items()}
        said = {"reviews": reviews, "streak": streak, "retention": retention.share, "retention_by_kind": by_kind}
        say_json({**said, "forecast": forecast, **_habits(context, today, forecast)})
        return
    t, first = context.t, date(1970, 1, 1) + timedelta(days=today)
    click.echo(f"{t.count('cli.reviews', reviews)}   {t.count('cli.streak', streak)}")
    if retention.share is None:
        click.echo(t("cli.no_retention"))
    else:
        share = f"{retention.share:.0%}"
        click.echo(t("cli.retention", share=share, recalled=retention.recalled, n=retention.reviews))
    span = {"first": first, "last": first + timedelta(days=len(forecast) - 1)}
    click.echo(t("cli.forecast", **span, counts=" ".join(map(str, forecast)), sum=sum(forecast)))
