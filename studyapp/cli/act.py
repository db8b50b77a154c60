"""The command that rates a card."""

import click

from studyapp.cli import cli, complete
from studyapp.cli.read import as_json, say_json, with_context
from studyapp.cli.when import instant, until
from studyapp.context import AppContext

RATINGS = ("again", "hard", "good", "easy")


@cli.command()
@click.argument("question_id", metavar="ID", shell_complete=complete.questions)
@click.argument("rating", type=click.Choice(RATINGS))
@click.option("--at", "at", metavar="ISO-TIME", help="When it was answered; without it, now.")
@as_json
@with_context
def answer(context: AppContext, question_id: str, rating: str, at: str | None, as_json: bool) -> None:
    """Rate a card without opening the app."""
    from studyapp.reviews.log import Rating

    question = context.question(question_id)
    now = context.clock() if at is None else instant(context, at)
    shown = context.store.card(question.card_id)
    state = context.session(only=[question.id]).answer(shown, Rating[rating.upper()], now, language=context.language)
    moment = context.due_at(state)
    due_at = moment.isoformat() if moment else None
    if as_json:
        say_json(
            {
                "id": question.id,
                "state": state.state,
                "due_at": due_at,
                "stability": state.stability,
                "difficulty": state.difficulty,
                "reps": state.reps,
                "lapses": state.lapses,
            }
        )
    else:
        back = until(context, state.due_day, state.due_at)
        click.echo(context.t("cli.answered", id=question.id, state=context.t(f"browse.state_{state.state}"), when=back))
