"""The commands that act on cards: answer, study, suspend."""

import click

from studyapp.cli import cli, complete
from studyapp.cli.read import as_json, say_json, with_context
from studyapp.cli.when import instant, until
from studyapp.context import AppContext
from studyapp.errors import CallError

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


@cli.command()
@click.argument("words", nargs=-1, required=True, metavar="QUERY")
@with_context
def study(context: AppContext, words: tuple[str, ...]) -> None:
    """Study what a search finds in the app: words, and operators such as is:due, topic:moe, prop:r<0.8."""
    from studyapp.cli.app import open_app

    open_app(context, only=_found(context, words))


@cli.command()
@click.argument("words", nargs=-1, required=True, metavar="QUERY")
@click.option("--off", is_flag=True, help="Bring them back instead.")
@with_context
def suspend(context: AppContext, words: tuple[str, ...], off: bool) -> None:
    """Put away what a search finds until it is brought back; `studyapp undo` takes back one at a time."""
    acts, now = context.acts(), context.clock()
    cards = [context.store.card(context.question(name).card_id) for name in _found(context, words)]
    among = [card.card for card in cards if card.suspended is off]
    for card in among:
        (acts.unsuspend if off else acts.suspend)(card, now)
        click.echo(card.partition("#")[0])
    click.echo(context.t.count("browse.unsuspended_all" if off else "browse.suspended_all", len(among)), err=True)


def _found(context: AppContext, words: tuple[str, ...]) -> list[str]:
    """The ids of the questions that a search finds.

    Raises:
        CallError: where there is none.
    """
    from studyapp.card_search import find

    found = [question.id for question in find(context, " ".join(words))]
    if not found:
        raise CallError(context.t("errors.nothing_found", words=" ".join(words)))
    return found
