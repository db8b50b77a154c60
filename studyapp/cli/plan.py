"""`studyapp plan`: what to study until the interview, and what will be recalled on its day."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING

import click

from studyapp.cli import cli, complete
from studyapp.cli.read import as_json, say_json, with_context
from studyapp.cli.terminal import table
from studyapp.context import AppContext
from studyapp.plaintext import printable

if TYPE_CHECKING:
    from studyapp.reviews.plan import Plan


class Weights(click.ParamType):  # type: ignore[type-arg]
    """`attention=2,moe`: topics with what each counts, 1 without a number."""

    name = "topics"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, float]:
        weights: dict[str, float] = {}
        for part in filter(None, (each.strip() for each in str(value).split(","))):
            topic, sign, number = part.partition("=")
            try:
                weights[topic.strip()] = weight = float(number) if sign else 1.0
            except ValueError:
                weight = 0.0
            if not 0 < weight <= 100:
                self.fail(f"{part!r}: a weight is a number above 0, at most 100")
        return weights


@cli.command()
@click.option("--date", "on", type=click.DateTime(["%Y-%m-%d"]), metavar="YYYY-MM-DD", help="The day of the interview.")
@click.option("--minutes", type=click.IntRange(5, 480), help="Minutes of study a day.")
@click.option(
    "--topics", type=Weights(), metavar="TOPIC[=WEIGHT],…", shell_complete=complete.topics, help="What it is about; all without it."
)
@click.option("--keep", is_flag=True, help="Keep what is given here in the settings, where the app plans by it each day.")
@as_json
@with_context
def plan(
    context: AppContext, on: datetime | None, minutes: int | None, topics: Mapping[str, float] | None, keep: bool, as_json: bool
) -> None:
    """Plan the study until an interview: new cards and reviews for each day, and what will be recalled then."""
    from studyapp import planning

    goal = planning.interview(context, on.date() if on else None, minutes, topics)
    made = planning.prepared(context, goal).plan()
    if keep:
        given = {"interview_date": on and on.date(), "interview_minutes": minutes, "interview_topics": topics}
        context.change(**{name: value for name, value in given.items() if value is not None})
    if as_json:
        say_json(planning.as_dict(context, goal, made))
        return
    for line in lines(context, goal.on, goal.minutes, made):
        click.echo(printable(line))
    if keep:
        click.echo(context.t("plan.kept"))


def lines(context: AppContext, on: date, minutes: float, made: "Plan") -> Iterator[str]:
    """A plan as lines."""
    from studyapp.render import plan as say

    t = context.t
    yield say.headline(t, on, minutes, made)
    yield say.today_line(t, made)
    yield ""
    heads = [t("plan.topic"), *(t(f"plan.{name}") for name in ("cards", "met", "now", "planned", "unplanned"))]
    rows = [[t("plan.core"), *say.outlook_row(made.core)]] if made.core.cards else []
    rows += [[t("plan.all"), *say.outlook_row(made.all)]]
    rows += [[context.title(topic, short=True), *say.outlook_row(outlook)] for topic, outlook in made.topics.items()]
    yield from table([heads, *rows])
    yield ""
    yield from say.honesty(t, made)
    yield t("plan.without_note", new=context.settings.new_per_day)
    yield ""
    yield from table([[t(f"plan.{name}") for name in ("day", "new", "reviews", "minutes", "asked_at")], *say.day_rows(made)])
    yield t("plan.means")
    yield say.policy_line(t, made)
