"""What an interviewer asks next, and what is kept of an interview."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studyapp.bank.model import Point, Question, Text
from studyapp.bank.refs import CardId
from studyapp.errors import StaleCardError
from studyapp.quiz.interview import DEEPEST, GOOD_ENOUGH, WRITING_SECONDS, Answer, Interviewer, said_share, sheet
from studyapp.quiz.interview_session import InterviewSession, interviews, to_schedule
from studyapp.reviews.merge import merge
from studyapp.reviews.store import Store
from studyapp.settings import Settings

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
SETTINGS = Settings(timezone="UTC")
TOPICS = ("a", "b", "c")


def question(name: str, topic: str, level: str = "core", **more: Any) -> Question:
    text = Text(name, name)
    points = tuple(Point(en=f"{name} {n}", zh=f"{name} {n}", cite=("x2020",)) for n in range(4))
    return Question(id=name, topic=topic, level=level, ask=text, brief=text, answer=text, points=points, **more)


def bank(per_topic: int = 4) -> dict[str, Question]:
    """Questions that follow up on each other, with numbers and functions."""
    made = {}
    for topic in TOPICS:
        for n in range(per_topic):
            name = f"{topic}{n}"
            made[name] = question(
                name, topic, "core" if n < 2 else "deep",
                follow_ups=(f"{topic}{(n + 1) % per_topic}", "unwritten"), drills=(f"{topic}/demo.d{n}",), write=(f"{topic}/demo.f{n}",),
            )  # fmt: skip
    return made


def held(interviewer: Interviewer, says: Any, minutes: float = 60.0, each: float = 120.0) -> list[Answer]:
    """An interview in which `says(turn)` is the share said of each."""
    answers: list[Answer] = []
    left = minutes * 60
    while (turn := interviewer.next(answers, left)) is not None:
        share, name = says(turn), CardId.parse(turn.card).question
        answers.append(Answer(turn.card, interviewer.bank[name].topic, turn.depth, turn.why, share, each, 3))
        left -= each
        assert len(answers) < 200
    return answers


@given(st.integers(0, 2**31), st.lists(st.sampled_from([0.0, 0.5, GOOD_ENOUGH, 1.0]), min_size=40, max_size=40))
def test_however_one_answers(seed: int, shares: list[float]) -> None:
    """No card comes twice, openings are core and of the topics, depth rises by one after a good answer alone, a function comes once."""
    source = iter(shares)
    answers = held(Interviewer(bank(), TOPICS, seed=seed), lambda turn: next(source))
    assert len({each.card for each in answers}) == len(answers)
    recalls = [each.question for each in answers if each.kind == "recall"]
    assert len(set(recalls)) == len(recalls)
    assert sum(each.why == "write" for each in answers) <= 1
    for before, after in zip([None, *answers], answers, strict=False):
        if after.depth == 0:
            assert after.why == ("elsewhere" if before else "opening") and bank()[after.question].level == "core"
        else:
            assert before is not None and before.said >= GOOD_ENOUGH and after.depth == before.depth + 1 <= DEEPEST


def test_who_answers_well_is_taken_to_the_bottom() -> None:
    """Follow-ups and numbers by turns, then a function, then another topic; who does not hears openings alone, each topic in turn."""
    answers = held(Interviewer(bank(), TOPICS, seed=1), lambda turn: 1.0)
    assert [each.depth for each in answers[:5]] == [0, 1, 2, 3, 0]
    assert {each.why for each in answers[1:3]} == {"deeper", "number"} and answers[3].why == "write"
    assert answers[4].topic != answers[0].topic
    poor = held(Interviewer(bank(), TOPICS, seed=1), lambda turn: 0.0)
    assert {each.depth for each in poor} == {0} and len({each.topic for each in poor[:3]}) == 3
    assert len(poor) == 6, "every core question once"


def test_a_function_needs_time_and_a_lab() -> None:
    """With less than what a function takes none is asked for; without a lab neither numbers nor functions."""
    long = held(Interviewer(bank(), TOPICS, seed=1), lambda turn: 1.0)
    assert any(each.why == "write" for each in long)
    short = held(Interviewer(bank(), TOPICS, seed=1), lambda turn: 1.0, minutes=WRITING_SECONDS / 60)
    assert short and not any(each.why == "write" for each in short)
    alone = held(Interviewer(bank(), TOPICS, can=(), seed=1), lambda turn: 1.0)
    assert {each.kind for each in alone} == {"recall"}


def test_what_is_known_least_is_asked_first() -> None:
    """Over many interviews an opening that was never learnt comes far more often than one that is known, and none is shut out."""
    known = {name: 0.95 for name in bank() if not name.endswith("0")}
    first = Counter(Interviewer(bank(), ("a",), known=known, seed=seed).next((), 1.0).card for seed in range(300))  # type: ignore[union-attr]
    assert first["a0#recall"] > 3 * first["a1#recall"] > 0


def test_levels_open_deeper_questions() -> None:
    """With the level deep, deep questions may open; with core they come as follow-ups alone."""
    deep = {Interviewer(bank(), TOPICS, "deep", seed=seed).next((), 1.0).card for seed in range(100)}  # type: ignore[union-attr]
    assert {"a2#recall", "a0#recall"} <= deep
    assert Interviewer(bank(), ("none",), seed=0).next((), 1.0) is None


def test_time_up_is_the_end() -> None:
    """Nothing is asked once no time is left."""
    assert Interviewer(bank(), TOPICS).next((), 0.0) is None


@pytest.mark.parametrize(
    ("rating", "kind", "share"), [(1, "drill", 0.0), (2, "write", 0.5), (3, "drill", 1.0), (4, "choice", 1.0), (1, "recall", 0.75)]
)
def test_how_much_was_said(rating: int, kind: str, share: float) -> None:
    """Of what is said the share of its points, whatever the rating; of the rest what the rating says."""
    assert said_share(rating, kind, 3, 4) == share


def test_a_sheet_sums_up() -> None:
    """By topic; for tonight the two of which most was lost, core before deep at the same loss."""
    answers = [
        Answer("a2#recall", "a", 0, "opening", 0.25, 60, 1),
        Answer("b0#recall", "b", 0, "elsewhere", 0.5, 30, 2),
        Answer("b0#drill:d0", "b", 1, "number", 1.0, 90, 3),
        Answer("c0#recall", "c", 0, "elsewhere", 0.75, 20, 3),
        Answer("gone#recall", "c", 0, "elsewhere", 0.0, 20, 1),
    ]
    came_to = sheet(answers, bank())
    assert came_to.said == pytest.approx(0.5) and came_to.seconds == 220 and came_to.deepest == 1
    assert (came_to.topics["b"].asked, came_to.topics["b"].said, came_to.topics["b"].seconds) == (2, 0.75, 60)
    assert came_to.tonight == ("b0", "a2")
    assert sheet([], bank()).tonight == ()


# ---------------------------------------------------------------------- the sitting


@pytest.fixture
def store(tmp_path: Path) -> Any:
    with Store.open(tmp_path / "reviews.db", SETTINGS, NOW) as opened:
        yield opened


def sitting(store: Store, now: datetime = NOW, minutes: float = 30) -> InterviewSession:
    return InterviewSession(store, Interviewer(bank(), TOPICS, can=(), seed=4), minutes, now)


def answer(session: InterviewSession, now: datetime, ticked: int = 4, rating: int = 3) -> str:
    card = session.next(now)
    assert card is not None
    session.answer(card, rating, now, seconds=50, data={"ticked": list(range(ticked)), "outline": "said", "suggested": 3})
    return card.card


def test_an_interview_is_read_back_from_the_log(store: Store, tmp_path: Path) -> None:
    """As it was held, by another process too, after the first was killed; no card changed, and the log still makes the cards."""
    session = sitting(store)
    answer(session, NOW, 4)
    answer(session, NOW + timedelta(minutes=1), 1)
    with Store.open(tmp_path / "reviews.db", SETTINGS, NOW) as other:  # nothing was closed
        (found,) = interviews(other)
        assert found == session.held
        assert found.answers[0].ticked == (0, 1, 2, 3) and found.answers[1].missed == 3 and found.answers[1].outline == "said"
        assert all(card.reps == 0 for card in other.cards().values()) and not list(other.differences())


def test_undo_takes_the_last_answer_back_and_asks_it_again(store: Store) -> None:
    """It is gone from the log's interviews, and the same question is on the table."""
    session = sitting(store)
    first = answer(session, NOW)
    second = answer(session, NOW)
    act = session.undo(NOW)
    assert act is not None and act.card == second
    assert [each.card for each in interviews(store)[0].answers] == [first]
    shown = session.next(NOW)
    assert shown is not None and shown.card == second
    assert session.undo(NOW) is not None and session.undo(NOW) is None and interviews(store) == []
    late = NOW + timedelta(hours=2)
    assert (shown := session.next(late)) is not None and shown.card == first, "also once time is up"


def test_a_card_not_asked_is_refused(store: Store) -> None:
    """Nothing is written for a card that was not on the table."""
    session = sitting(store)
    session.next(NOW)
    with pytest.raises(StaleCardError):
        session.answer(store.card("z#recall"), 3, NOW)
    assert interviews(store) == []


def test_what_is_left_out_does_not_come_again(store: Store) -> None:
    """Bury leaves a question out of this interview and touches no card."""
    session = sitting(store)
    seen = set()
    while (card := session.next(NOW)) is not None:
        assert card.card not in seen
        seen.add(card.card)
        session.bury(card.card, NOW)
    assert len(seen) == 6 and not store.cards()


def test_after_a_question_left_out_the_interviewer_goes_deeper_again(store: Store) -> None:
    """What was left out is a turn like any other: a good answer after it leads to a follow-up, undone and given again too."""
    session = sitting(store)
    card = session.next(NOW)
    assert card is not None
    session.bury(card.card, NOW)
    again = answer(session, NOW)
    session.undo(NOW)
    assert answer(session, NOW) == again
    session.next(NOW)
    assert session.turn is not None and (session.turn.why, session.turn.depth) == ("deeper", 1)


def test_two_machines_have_all_interviews(store: Store, tmp_path: Path) -> None:
    """Merged, each log has the interviews of both, in the order in which they began."""
    answer(sitting(store), NOW)
    with Store.open(tmp_path / "laptop.db", SETTINGS, NOW) as laptop:
        answer(sitting(laptop, NOW - timedelta(days=1)), NOW - timedelta(days=1))
        merge(laptop, tmp_path / "reviews.db")
        both = interviews(laptop)
        assert len(both) == 2 and both[0].began < both[1].began


def test_ratings_go_to_the_schedule_but_never_twice(store: Store) -> None:
    """Left out is what is not scheduled, what is suspended, and what was reviewed since it began."""
    session = sitting(store)
    cards = [answer(session, NOW + timedelta(minutes=n), 4 if n else 2, 3 if n else 2) for n in range(4)]
    later = NOW + timedelta(hours=1)
    store.append("suspend", cards[1], later)
    store.append("review", cards[2], later, rating=4)
    scheduled = dict.fromkeys(cards[:3])
    assert to_schedule(store, session.held, scheduled, later, "en") == 1
    (event,) = [e for e in store.events(cards[0]) if e.kind == "review"]
    assert (event.rating, event.data) == (2, {"interview": session.id, "ticked": [0, 1]})
    assert to_schedule(store, session.held, scheduled, later, "en") == 0
    assert store.card(cards[3]).reps == 0 and store.card(cards[2]).reps == 1


def test_the_clock_runs_down(store: Store) -> None:
    """Seconds left are those of the minutes less what went by; a question asked before stays on the table."""
    session = sitting(store, minutes=10)
    shown = session.next(NOW)
    assert session.left(NOW + timedelta(minutes=4)) == 360
    assert session.next(NOW + timedelta(minutes=11)) == shown
    answer(session, NOW + timedelta(minutes=11))
    assert session.next(NOW + timedelta(minutes=11)) is None and session.turn is None


@pytest.mark.parametrize(("said", "depth"), [(0.0, 0), (0.55, 0), (0.6, 1), (1.0, 1)])
def test_three_fifths_of_the_points_lead_deeper(said: float, depth: int) -> None:
    """Less leads elsewhere."""
    turn = Interviewer(bank(), TOPICS, seed=2).next([Answer("a0#recall", "a", 0, "opening", said, 60, 3)], 1800)
    assert turn is not None and turn.depth == depth


@pytest.mark.parametrize("seed", range(20))
def test_topics_take_turns(seed: int) -> None:
    """Openings go round: none comes twice before all others came, and never the last one where there is another."""
    poor = held(Interviewer(bank(), TOPICS, seed=seed), lambda turn: 0.0)
    assert {each.topic for each in poor[:3]} == {each.topic for each in poor[3:]} == set(TOPICS)
    talk = [
        Answer("a0#recall", "a", 0, "opening", 1.0, 60, 3), Answer("a1#recall", "a", 1, "deeper", 0.0, 60, 1),
        Answer("b0#recall", "b", 0, "elsewhere", 0.0, 60, 1),
    ]  # fmt: skip
    turn = Interviewer(bank(), ("a", "b"), "deep", seed=seed).next(talk, 1800)
    assert turn is not None and turn.card.startswith("a"), "b was asked less, but just now"
