"""A second kind of card, added without a line in reviews or in the screens: choice, of a wrong statement among right ones."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from studyapp.bank.model import Bank, Correction, Point, Question, Text, Topic
from studyapp.bank.refs import CardId
from studyapp.context import AppContext
from studyapp.errors import BankError
from studyapp.quiz.kinds import Asked, CardKind, Grade, Response
from studyapp.quiz.registry import KINDS, ask, cards_of
from studyapp.reviews.cards import CardState
from studyapp.reviews.log import Rating
from studyapp.reviews.merge import merge
from studyapp.reviews.scheduler import replay
from studyapp.reviews.sessions import Counts
from studyapp.reviews.store import Store
from studyapp.settings import Settings

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
SETTINGS = Settings(timezone="UTC", kinds={"all": ("choice",)})
LATER = NOW + timedelta(days=1)


class Choice:
    """Which of these is wrong? One of a question's corrections among its points, in an order drawn from a seed."""

    name = "choice"

    def cards(self, question: Question) -> Sequence[CardId]:
        return [CardId(question.id, self.name)] if question.corrections else []

    def ask(self, question: Question, card: CardId, seed: int) -> Asked:
        options = [Text(point.en, point.zh) for point in question.points] + [question.corrections[0].wrong]
        Random(seed).shuffle(options)
        return Asked(card, question, Text("Which is wrong?", "哪一个是错的？"), tuple(options), seed)

    def grade(self, asked: Asked, response: Response) -> Grade:
        right = asked.options[response.ticked[0]] == asked.question.corrections[0].wrong
        data = {"seed": asked.seed, "chosen": response.ticked[0]}
        return Grade(Rating.GOOD if right else Rating.AGAIN, data, right)


def question(name: str, corrections: int) -> Question:
    text = Text(name, "问")
    wrong = Correction(wrong=Text("wrong", "错"), right=Text("right", "对"), cite=("a2020",))
    return Question(
        id=name, topic="t", level="core", ask=text, brief=text, answer=text, corrections=(wrong,) * corrections,
        points=tuple(Point(en=f"point {n}", zh=f"要点 {n}", cite=("a2020",)) for n in range(3)),
    )  # fmt: skip


@pytest.fixture
def context(tmp_path, monkeypatch):
    """Two questions, one of which has a correction, with the second kind there."""
    kind: CardKind = Choice()
    monkeypatch.setitem(KINDS, kind.name, kind)
    questions = {name: question(name, n) for name, n in (("with", 1), ("without", 0))}
    bank = Bank((Topic("t", Text("T", "题"), tuple(questions)),), questions)
    with Store.open(tmp_path / "reviews.db", SETTINGS, NOW) as store:
        yield AppContext(home=tmp_path, bank=bank, settings=SETTINGS, store=store, clock=lambda: NOW, language="en")


def answer(context, session, place_of_wrong: bool, seed: int = 3):
    """Answer the next card of the day after, if it is a choice by its kind; what was asked."""
    shown = session.next(LATER)
    asked = ask(context.question_of(shown.card), CardId.parse(shown.card), seed)
    wrong = next(n for n, option in enumerate(asked.options) if option.en == "wrong")
    grade = context.grade(asked, Response((wrong if place_of_wrong else (wrong + 1) % 4,)))
    session.answer(shown, grade.suggested, LATER, data=grade.kept())
    return asked


def test_a_question_gives_a_card_of_each_kind_that_it_lends_itself_to(context):
    """Cards of all kinds are in the sitting, in the topic and in the counts; an unknown kind is refused by name."""
    assert [str(card) for card in cards_of(context.bank.questions["with"])] == ["with#recall", "with#choice"]
    assert [str(card) for card in cards_of(context.bank.questions["without"])] == ["without#recall"]
    assert context.session().counts(NOW) == Counts(new=2) and context.overview().decks["t"].total == 3
    assert context.left_by_kind() == {"recall": 2}
    context.store.append("review", "with#recall", NOW - timedelta(days=1), rating=4)
    assert context.left_by_kind() == {"recall": 1, "choice": 1} and context.session().counts(NOW) == Counts(new=2)
    with pytest.raises(BankError, match="riddle"):
        context.ask(CardState("with#riddle"))


def test_an_answer_goes_through_scheduling_log_undo_and_stats(context):
    """What a kind suggests is scheduled, what it keeps is in the log, undo tells it and takes it back, and Home, Stats
    and a merge count it as any other."""
    session = context.session(only=["with"])
    recall = session.next(NOW)
    session.answer(recall, Rating.EASY, NOW, data=context.grade(context.ask(recall), Response((0, 1, 2))).kept())
    asked = answer(context, session, place_of_wrong=True)
    event = context.store.events("with#choice")[0]
    assert (event.rating, event.data["seed"], event.data["suggested"]) == (3, 3, 3)
    card = CardId("with", "choice")
    assert ask(context.bank.questions["with"], card, event.data["seed"]).options == asked.options
    assert context.store.card("with#choice").state == "learning" and session.counts(LATER) == Counts(learning=1)
    act = session.undo(LATER)
    assert (act.card, act.rating) == ("with#choice", Rating.GOOD) and context.store.card("with#choice").state == "new"
    answer(context, session, place_of_wrong=False)
    assert context.store.events("with#choice")[-1].rating == 1 and context.store.card("with#recall").reps == 1
    context.clock = lambda: LATER
    overview = context.overview()
    assert (overview.today.learning, overview.decks["t"].known) == (1, 1) and overview.decks["t"].recall > 0.9
    assert context.store.days()[context.today()].reviews == 1
    assert {kind: day.reviews for kind, day in context.store.days_by_kind().items()} == {"recall": 1, "choice": 1}
    assert replay(context.store.scheduler, context.store.events()) == context.store.cards()
    with Store.open(context.home / "other.db", SETTINGS, NOW) as other:
        merge(other, context.store.path)
        assert other.cards() == context.store.cards()


def test_a_card_asks_the_same_until_it_was_answered(context):
    """Shown again, as after a look at Home, a card that draws its options asks what it asked; after a review it draws
    anew."""
    orders = [context.ask(CardState("with#choice", reps=reps)).options for reps in range(20)]
    assert len(set(map(str, orders))) > 5
    assert context.ask(CardState("with#choice", reps=7)) == context.ask(CardState("with#choice", reps=7))


def test_practice_and_browse_take_any_kind(context):
    """A card of the second kind is practised, suspended and made new like any other."""
    practice = context.session(practice=True, only=["with"])
    assert practice.counts(NOW) == Counts(due=2)
    acts = context.acts()
    acts.suspend("with#choice", NOW)
    assert context.session(practice=True, only=["with"]).counts(NOW) == Counts(due=1)
    acts.unsuspend("with#choice", NOW)
    assert acts.reset("with#choice", NOW + timedelta(minutes=1)).state == "new"
