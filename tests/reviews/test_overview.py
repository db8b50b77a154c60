"""What Home shows, counted without looking at each card."""

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st

from studyapp.reviews.cards import CardState, CardTable, Decks, study_day
from studyapp.reviews.overview import FORECAST_DAYS, DeckCounts
from studyapp.reviews.sessions import Counts
from studyapp.reviews.store import Store
from studyapp.reviews.study import StudySession
from studyapp.settings import Settings

DAY = timedelta(days=1)
DECKS = {"one": ["a", "q#recall", "q#choice", "q#drill:size"], "two": ["d#recall", "d#choice"], "none": []}
TOUCHED = ["a", "q#recall", "q#recall", "q#choice", "q#drill:size", "d#recall", "d#choice", "x"]
steps = st.lists(
    st.tuples(
        st.sampled_from(["review"] * 6 + ["undo", "bury", "suspend", "unsuspend", "reset"]),
        st.integers(1, 4),
        st.sampled_from(TOUCHED),
        st.sampled_from([0, 1, 25, 600, 1440, 14400]),
    ),
    max_size=30,
)


def as_counts(counts: DeckCounts) -> Counts:
    return Counts(counts.new, counts.learning, counts.due)


@given(steps, st.integers(0, 4), st.integers(0, 4), st.sampled_from([0, 5, 1440, 7200]))
@effort(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_overview_counts_what_sittings_count(tmp_path_factory, now, done, new, reviews, later):
    """After any acts, of each deck and of all, what waits is what a sitting would count, and what is known, remembered
    and coming is what the cards themselves say."""
    settings, at = Settings(timezone="UTC", new_per_day=new, reviews_per_day=reviews), now
    decks = Decks(DECKS)
    with Store.open(tmp_path_factory.mktemp("o") / "study.db", settings, now) as store:
        for verb, rating, card, minutes in done:
            at += timedelta(minutes=minutes)
            if verb == "undo":
                store.undo(at)
            else:
                store.append(verb, card, at, rating=rating if verb == "review" else None)
            store.overview(decks, at)  # noted decks are kept up to date
        at += timedelta(minutes=later)
        seen, cards, day = store.overview(decks, at), store.cards(), study_day(at, settings)
        everything = [card for deck in DECKS.values() for card in deck]
        assert as_counts(seen.today) == StudySession(store, everything, at).counts(at)
        for deck, ids in DECKS.items():
            assert as_counts(seen.waiting[deck]) == StudySession(store, ids, at).counts(at)
            states = [cards.get(card) or CardState(card) for card in ids]
            chances = [r for state in states if (r := store.scheduler.retrievability(state, day)) is not None]
            assert seen.decks[deck].recall == (pytest.approx(sum(chances) / len(chances)) if chances else None)
            assert seen.decks[deck].known == sum(state.state in ("review", "relearning") for state in states)
            assert seen.decks[deck].total == len(ids)
        mine = [state for card, state in cards.items() if card in everything]
        assert seen.answered == any(state.stability is not None for state in mine)
        held = sum(each.due for each in decks.held_back({row.card: row for row in store.queued(day)}, day).values())
        coming = forecast(mine, day)
        assert seen.forecast == [coming[0] - held, coming[1] + held, *coming[2:]]


def forecast(cards, day):
    """How many cards come due on each day, card by card."""
    coming = [0] * FORECAST_DAYS
    for state in cards:
        if not state.suspended and state.state != "new":
            first = 0 if state.due_day is None else max(0, state.due_day - day)
            first = max(first, 1) if state.hidden(day) else first
            if first < FORECAST_DAYS:
                coming[first] += 1
    return coming


def test_buried_and_suspended_cards_do_not_wait(store, now):
    """A card that is due is not counted while it is buried or suspended, and a buried one is from the next day on."""
    decks = Decks({"t": ["a", "b", "c"]})
    for card in "abc":
        store.append("review", card, now, rating=4)
    later = now + 60 * DAY
    assert store.overview(decks, later).today.due == 3
    store.append("bury", "a", later)
    store.append("suspend", "b", later)
    overview = store.overview(decks, later)
    assert overview.today.due == 1 and overview.forecast[:2] == [1, 1] and overview.decks["t"].known == 3
    assert store.overview(decks, later + DAY).today.due == 2


def test_another_division_into_decks_is_counted_anew(store, now):
    """Where a question moved to another topic, or another bank is read, cards are counted where they are now."""
    store.append("review", "a", now, rating=4)
    assert store.overview(Decks({"one": ["a"], "two": ["b"]}), now).decks["one"].known == 1
    moved = store.overview(Decks({"one": [], "two": ["a", "b"]}), now)
    assert (moved.decks["one"].known, moved.decks["two"].known) == (0, 1)
    assert store.overview(Decks({"two": ["b"]}), now).decks["two"].known == 0


def test_a_card_in_no_deck_is_counted_in_none(tmp_path, now):
    """Not where its deck is noted, and not where a new bank is counted without."""
    settings = Settings(timezone="UTC")
    for background in (True, False):
        with Store.open(tmp_path / f"{background}.db", settings, now, background=background) as store:
            for card in ("a", "x"):
                store.append("review", card, now, rating=4)
            rows = store._cards.deck_rows(Decks(DECKS), store.scheduler.forgetting(), study_day(now, settings), now)
            assert [row.deck for row in rows] == ["one"]
            assert set(store.overview(Decks(DECKS), now).decks) == set(DECKS)


def test_counting_reads_an_index_alone(store, now):
    """The rows of Home come from one pass over an index: no card is read, and nothing is sorted."""
    store.append("review", "a", now, rating=4)
    decks, asked = Decks({"t": ["a"]}), []
    store.overview(decks, now)
    store.db.conn.set_trace_callback(asked.append)
    store.overview(decks, now)
    store.db.conn.set_trace_callback(None)
    (counting,) = [statement for statement in asked if "GROUP BY deck" in statement]
    plan = [row[3] for row in store.db.conn.execute(f"EXPLAIN QUERY PLAN {counting}")]
    assert plan == ["SCAN cards USING COVERING INDEX cards_of_deck"]


def test_power_is_there_without_sqlites_functions_of_mathematics(store, now, monkeypatch):
    """Where SQLite was built without them, the counts are the same."""
    store.append("review", "a", now, rating=4)
    decks = Decks({"t": ["a"]})
    expected = store.overview(decks, now + 5 * DAY).decks["t"].recall
    store.db.conn.create_function("power", 2, lambda base, exponent: base**exponent, deterministic=True)
    assert store.overview(decks, now + 5 * DAY).decks["t"].recall == pytest.approx(expected) and 0.8 < expected < 1
    assert CardTable(store.db.conn).get("a").reps == 1
