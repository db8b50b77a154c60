"""What waits in each deck and in all of them, within the day's limits, how much is remembered, and the days to come."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from studyapp.reviews.cards import DeckRow, Decks
from studyapp.reviews.queries import Done
from studyapp.reviews.siblings import HeldBack
from studyapp.settings import Settings

FORECAST_DAYS = 30


@dataclass(frozen=True, slots=True)
class DeckCounts:
    """Where the cards of a deck stand.

    Attributes:
        new: never answered, or made new again; not hidden, and not waiting for a sibling.
        learning: in learning, with their minute come or coming within the time of learning ahead.
        due: in review, with their day come; of siblings one.
        known: in review or relearning, hidden ones too.
        recall: the mean chance of recall today of those ever reviewed, None without one.
    """

    total: int = 0
    new: int = 0
    learning: int = 0
    due: int = 0
    known: int = 0
    recall: float | None = None

    @property
    def waiting(self) -> int:
        """How many cards wait: new, in learning and due."""
        return self.new + self.learning + self.due


@dataclass(frozen=True, slots=True)
class Overview:
    """All that Home shows of the cards.

    Attributes:
        decks: each deck as it stands, without the day's limits.
        today: what sittings would give now: the same over all decks, within the day's limits.
        waiting: of each deck, what a sitting over it alone would give now.
        forecast: how many cards come due today and on each day after; overdue and learning ones count today.
        answered: whether any card of the decks was ever answered.
    """

    decks: dict[str, DeckCounts]
    today: DeckCounts
    waiting: dict[str, DeckCounts]
    forecast: list[int]
    answered: bool


def overview_of(
    decks: Decks, rows: Iterable[DeckRow], held: Mapping[str, HeldBack], done: Done, day: int, settings: Settings
) -> Overview:
    """The overview that the rows of `CardTable.deck_rows` come to, after what was `done` on the day.

    `held` are the cards of each deck that wait for a sibling: those due come on the next day at the earliest.
    """
    by_deck: dict[str, list[DeckRow]] = {name: [] for name in decks.sizes}
    forecast = [0] * FORECAST_DAYS
    for row in rows:
        by_deck[row.deck].append(row)
        if not row.suspended and row.state != "new":
            after = max(0 if row.due_day is None else row.due_day - day, 1 if _hidden(row, day) else 0)
            if after < FORECAST_DAYS:
                forecast[after] += row.cards
    late = sum(each.due for each in held.values())
    forecast[0], forecast[1] = forecast[0] - late, forecast[1] + late
    counts = {name: _counts(decks.sizes[name], listed, held.get(name, HeldBack()), day) for name, listed in by_deck.items()}
    everything = [row for listed in by_deck.values() for row in listed]
    waits = HeldBack(sum(each.new for each in held.values()), late)
    whole = _counts(sum(decks.sizes.values()), everything, waits, day)
    return Overview(
        decks=counts,
        today=_limited(whole, done, settings),
        waiting={name: _limited(each, done, settings) for name, each in counts.items()},
        forecast=forecast,
        answered=any(row.reviewed for row in everything),
    )


def _hidden(row: DeckRow, day: int) -> bool:
    return bool(row.suspended) or (row.buried_day is not None and row.buried_day >= day)


def _counts(total: int, rows: list[DeckRow], held: HeldBack, day: int) -> DeckCounts:
    visible = [row for row in rows if not _hidden(row, day)]
    reviewed = sum(row.reviewed for row in rows)
    return DeckCounts(
        total=total,
        new=total - sum(row.cards for row in rows) + sum(row.cards for row in visible if row.state == "new") - held.new,
        learning=sum(row.started for row in visible if row.due_day is None),
        due=sum(row.cards for row in visible if row.due_day is not None and row.due_day <= day) - held.due,
        known=sum(row.cards for row in rows if row.state in ("review", "relearning")),
        recall=sum(row.recall for row in rows) / reviewed if reviewed else None,
    )


def _limited(counts: DeckCounts, done: Done, settings: Settings) -> DeckCounts:
    return DeckCounts(
        total=counts.total,
        new=max(0, min(counts.new, settings.new_per_day - done.new)),
        learning=counts.learning,
        due=max(0, min(counts.due, settings.reviews_per_day - done.due)),
        known=counts.known,
        recall=counts.recall,
    )
