"""What the reviews tell of a learner: recall by topic and by hour, and how good the ratings are that were suggested."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from studyapp.reviews.stats import Retention


@dataclass(frozen=True, slots=True)
class Graded:
    """A review that stands: of which card, when, in which state it was shown, its rating and the one suggested, if any."""

    card: str
    at: datetime
    was: str
    rating: int
    suggested: int | None = None

    @property
    def counts(self) -> bool:
        """Whether it tells of recall: the card was in review."""
        return self.was == "review"


@dataclass(frozen=True, slots=True)
class Suggested:
    """What became of the reviews for which a rating was suggested.

    Attributes:
        taken: how often the learner gave just that rating.
        lower, higher: how often a lower or a higher one.
        next: whether the card was recalled at its next review, of those that were in review by then.
    """

    reviews: int
    taken: int
    lower: int
    higher: int
    next: Retention


def retention_by(reviews: Iterable[Graded], name: Callable[[Graded], str | None]) -> dict[str, Retention]:
    """The share recalled of cards in review, by what `name` says of each; those of which it says nothing are left out."""
    counted: dict[str, list[bool]] = {}
    for each in reviews:
        if each.counts and (of := name(each)) is not None:
            counted.setdefault(of, []).append(each.rating > 1)
    return {of: Retention(sum(found), len(found)) for of, found in counted.items()}


def by_hour(reviews: Iterable[Graded], local: Callable[[datetime], datetime]) -> list[Retention]:
    """The share recalled of cards in review in each of the 24 hours of the learner's clock; `answers_by_hour` counts all answers."""
    found = retention_by(reviews, lambda each: str(local(each.at).hour))
    return [found.get(str(hour), Retention(0, 0)) for hour in range(24)]


def answers_by_hour(reviews: Iterable[Graded], local: Callable[[datetime], datetime]) -> list[int]:
    """How many answers were given in each hour of the learner's clock."""
    counts = [0] * 24
    for each in reviews:
        counts[local(each.at).hour] += 1
    return counts


def suggestions(reviews: Iterable[Graded]) -> Mapping[int, Suggested]:
    """For each rating that was suggested: how often it was taken, and how the card fared next. `reviews` are in their order."""
    by_card: dict[str, list[Graded]] = {}
    for each in reviews:
        by_card.setdefault(each.card, []).append(each)
    found: dict[int, list[tuple[int, bool | None]]] = {}
    for listed in by_card.values():
        for this, after in zip(listed, [*listed[1:], None], strict=True):
            if this.suggested is not None:
                then = after.rating > 1 if after is not None and after.counts else None
                found.setdefault(this.suggested, []).append((this.rating, then))
    return {
        rating: Suggested(
            len(rows),
            sum(given == rating for given, _ in rows),
            sum(given < rating for given, _ in rows),
            sum(given > rating for given, _ in rows),
            Retention(sum(then is True for _, then in rows), sum(then is not None for _, then in rows)),
        )
        for rating, rows in sorted(found.items())
    }
