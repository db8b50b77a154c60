"""What the reviews tell of a learner."""

from datetime import UTC, datetime, timedelta, timezone

from studyapp.reviews.habits import Graded, Suggested, answers_by_hour, by_hour, retention_by, suggestions
from studyapp.reviews.stats import Retention
from studyapp.reviews.store import Store
from tests.reviews.conftest import NOW

AT = datetime(2026, 11, 24, 8, 30, tzinfo=UTC)


def graded(card: str, rating: int, was: str = "review", hours: int = 0, suggested: int | None = None) -> Graded:
    return Graded(card, AT + timedelta(hours=hours), was, rating, suggested)


def test_recall_is_of_cards_in_review() -> None:
    """By whatever names a review; what is new, in learning or without a name counts for nothing."""
    reviews = [graded("a", 3), graded("a", 1), graded("b", 2), graded("b", 1, "learning"), graded("c", 1), graded("a", 1, "new")]
    assert retention_by(reviews, lambda each: {"a": "x", "b": "y"}.get(each.card)) == {"x": Retention(1, 2), "y": Retention(1, 1)}


def test_hours_are_those_of_the_learners_clock() -> None:
    """All answers count, of the recalled those of cards in review; at other places the same moments fall into other hours."""
    reviews = [graded("a", 3), graded("b", 1), graded("c", 3, "new"), graded("d", 3, hours=20)]
    utc = lambda at: at.astimezone(UTC)  # noqa: E731
    shanghai = lambda at: at.astimezone(timezone(timedelta(hours=8)))  # noqa: E731
    assert answers_by_hour(reviews, utc)[8] == 3 and answers_by_hour(reviews, utc)[4] == 1
    assert by_hour(reviews, utc)[8] == Retention(1, 2) and by_hour(reviews, utc)[9] == Retention(0, 0)
    assert answers_by_hour(reviews, shanghai)[16] == 3 and answers_by_hour(reviews, shanghai)[12] == 1
    assert len(by_hour([], utc)) == 24 and sum(answers_by_hour([], utc)) == 0


def test_a_suggestion_is_judged_by_what_was_given_and_by_the_next_review() -> None:
    """Taken, lower or higher; and of the next reviews of the same card those that were in review."""
    reviews = [
        graded("a", 3, "new", 0, 3), graded("b", 2, "new", 1, 3), graded("a", 1, "review", 2, 2), graded("b", 4, "review", 3, 3),
        graded("c", 3, "new", 4, 3), graded("c", 3, "learning", 5), graded("d", 4, "review", 6),
    ]  # fmt: skip
    found = suggestions(reviews)
    assert found == {2: Suggested(1, 0, 1, 0, Retention(0, 0)), 3: Suggested(4, 2, 1, 1, Retention(1, 2))}
    assert suggestions([]) == {}


def test_the_log_gives_reviews_that_stand(store: Store) -> None:
    """With the suggestion that was kept; what was undone is not there, nor what is no review."""
    store.append("review", "a#recall", NOW, rating=4, data={"suggested": 3})
    undone = store.append("review", "a#recall", NOW + timedelta(days=20), rating=1)
    store.reverse("undo", undone.uid, NOW + timedelta(days=20))
    store.append("star", "a#recall", NOW)
    store.append("review", "a#recall", NOW + timedelta(days=21), rating=2)
    assert store.graded() == [
        Graded("a#recall", NOW, "new", 4, 3), Graded("a#recall", NOW + timedelta(days=21), "review", 2, None)
    ]  # fmt: skip
