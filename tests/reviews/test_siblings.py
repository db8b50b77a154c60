"""Cards of one question among each other."""

from datetime import timedelta

from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st

from studyapp.reviews.cards import study_day
from studyapp.reviews.sessions import Counts
from studyapp.reviews.siblings import families
from studyapp.reviews.store import Store
from studyapp.reviews.study import StudySession
from studyapp.settings import Settings

DAY = timedelta(days=1)
FAMILY = ("q#recall", "q#choice", "q#drill:size")
ORDER = (*FAMILY, "r#recall", "r#choice", "alone#recall")
SETTINGS = Settings(timezone="UTC")


def known(store, card, at):
    """Answer a card so that it is in review."""
    store.append("review", card, at, rating=4)


def all_asked(session, at, rating=4):
    """Answer whatever the sitting asks at a moment; the cards, in order."""
    asked = []
    while (card := session.next(at)) is not None:
        asked.append(card.card)
        session.answer(card, rating, at)
    return asked


def test_siblings_are_cards_of_one_question_and_others_have_none():
    """The part of an id before its kind names the question, a personal bank's too; an id without a kind stands alone."""
    found = families(["q#recall", "mine:q#recall", "q#choice", "mine:q#drill:a", "r#recall", "a", "b"])
    assert found == dict.fromkeys(["q#recall", "q#choice"], ("q#recall", "q#choice")) | dict.fromkeys(
        ["mine:q#recall", "mine:q#drill:a"], ("mine:q#recall", "mine:q#drill:a")
    )


def test_the_others_come_once_the_first_is_known(store, now):
    """Before that they are neither asked nor counted; known is in review, or forgotten again since."""
    assert all_asked(StudySession(store, ORDER, now), now) == ["q#recall", "r#recall", "alone#recall"]
    later = now + DAY
    assert StudySession(store, ORDER, later).counts(later) == Counts(new=2)
    assert all_asked(StudySession(store, ORDER, later), later) == ["q#choice", "r#choice"]
    assert all_asked(StudySession(store, FAMILY, later + DAY), later + DAY) == ["q#drill:size"]


def test_a_card_that_is_forgotten_keeps_its_siblings_but_they_wait_while_it_is_learnt_again(store, now):
    """In relearning it goes on where it stands; the next new sibling comes on a later day."""
    known(store, "q#recall", now)
    late = now + 40 * DAY
    session = StudySession(store, FAMILY, late)
    session.answer(session.next(late), 1, late)
    assert store.card("q#recall").state == "relearning"
    assert session.counts(late) == Counts(learning=1) and session.next(late).card == "q#recall"
    tomorrow = late + DAY
    session = StudySession(store, FAMILY, tomorrow)
    assert session.counts(tomorrow) == Counts(learning=1)
    assert all_asked(session, tomorrow, rating=3) == ["q#recall"]
    assert all_asked(StudySession(store, FAMILY, tomorrow + DAY), tomorrow + DAY) == ["q#choice"]


def test_of_two_that_are_due_the_one_due_for_longest_is_asked_and_undo_gives_the_day_back(store, now):
    """What came due first goes first; taken back, the day may ask a sibling again."""
    known(store, "q#recall", now)
    known(store, "q#choice", now + DAY)
    late = now + 60 * DAY
    session = StudySession(store, FAMILY, late)
    assert session.counts(late) == Counts(due=1)
    due = min(("q#recall", "q#choice"), key=lambda card: store.card(card).due_day)
    card = session.next(late)
    assert card.card == due
    session.answer(card, 4, late)
    assert session.next(late) is None and session.counts(late) == Counts()
    session.undo(late)
    assert session.next(late).card == due and session.counts(late) == Counts(due=1)


def test_a_sibling_that_was_put_away_stands_in_nobodys_way(store, now):
    """One buried or suspended is passed over, for the next in line."""
    known(store, "q#recall", now)
    late = now + 60 * DAY
    store.append("suspend", "q#recall", late)
    store.append("bury", "q#choice", late)
    assert [card.card for card in [StudySession(store, FAMILY, late).next(late)]] == ["q#drill:size"]


def test_a_first_card_that_was_put_away_unlearnt_keeps_the_others_waiting(store, now):
    """Whoever suspends a question before its answer is known is not asked for it in other ways."""
    store.append("suspend", "q#recall", now)
    session = StudySession(store, FAMILY, now)
    assert session.next(now) is None and session.counts(now) == Counts()


def test_an_open_sitting_follows_what_becomes_of_a_sibling(store, now):
    """One that is put away makes room for the next in line; one that another window asks takes the day."""
    known(store, "q#recall", now)
    at = now + DAY
    session = StudySession(store, FAMILY, at)
    session.bury("q#choice", at)
    assert session.next(at).card == "q#drill:size" and session.counts(at) == Counts(new=1)
    session.undo(at)
    assert session.next(at).card == "q#choice"
    with Store.open(store.path, SETTINGS, at) as other:
        known(other, "q#drill:size", at)
    assert session.next(at) is None and session.counts(at) == Counts()


def test_another_window_answers_a_sibling(store, now):
    """What another process asked today is not asked here."""
    known(store, "q#recall", now)
    at = now + DAY
    session = StudySession(store, FAMILY, at)
    assert session.next(at).card == "q#choice"
    with Store.open(store.path, SETTINGS, at) as other:
        known(other, "q#choice", at)
    assert session.next(at) is None and session.left(at) == []


@given(st.lists(st.tuples(st.integers(1, 4), st.sampled_from([0, 1, 30, 700, 1440, 3000, 20000])), max_size=40))
@effort(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_day_asks_two_cards_of_one_question(tmp_path_factory, now, steps):
    """However one answers and whenever one comes: beside what goes on being learnt, a question is asked by one card a day;
    and what is said to be left is what comes."""
    at, by_day, begun = now, {}, set()
    with Store.open(tmp_path_factory.mktemp("s") / "study.db", SETTINGS, now) as store:
        for rating, minutes in steps:
            at += timedelta(minutes=minutes)
            session = StudySession(store, ORDER, at)
            left, counts = session.left(at), session.counts(at)
            assert len(left) == counts.new + counts.learning + counts.due
            card = session.next(at)
            if card is None:
                assert not left
                continue
            assert card.card in left
            question = card.card.partition("#")[0]
            if card.due_at is None:
                assert by_day.setdefault((question, study_day(at, SETTINGS)), card.card) == card.card
                assert card.card.endswith("#recall") or f"{question}#recall" in begun
            session.answer(card, rating, at)
            if store.card(card.card).state == "review":
                begun.add(card.card)
