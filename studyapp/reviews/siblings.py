"""Cards of one question are siblings: the first must be known before the others come, and one a day is asked.

Asked together they would answer each other: a choice shows the points that recall asks for. A card in (re)learning goes on
where it stands, for it was begun; while one does, the others wait.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

KNOWN = ("review", "relearning")
"""The states of a card that has been learnt once."""


class Queued(NamedTuple):
    """A card as far as its place in a queue goes; `due_at` as it stands in the table."""

    card: str
    state: str
    due_at: str | None
    due_day: int | None
    last_day: int | None
    hidden: bool
    stability: float | None = None

    def lost(self, day: int) -> float:
        """How far it is forgotten on a study day, in stabilities: the longer, the lower the chance of recall."""
        if self.stability is None or self.last_day is None:
            return 0.0
        return max(0, day - self.last_day) / self.stability

    @property
    def learning(self) -> bool:
        """Whether it is in (re)learning."""
        return self.due_at is not None


def families(order: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """For each card that has siblings among `order`: all of them and itself, in that order.

    The part of a card's id before "#" names what it is about.
    """
    by_question: dict[str, list[str]] = {}
    for card in order:
        by_question.setdefault(card.partition("#")[0], []).append(card)
    return {card: tuple(cards) for cards in by_question.values() if len(cards) > 1 for card in cards}


def chosen(family: Sequence[str], rows: Mapping[str, Queued], day: int) -> str | None:
    """The card of a family that a study day may ask as new or in review; None where it asks none of them.

    Of those due the one that has been due for longest, else the first new one; nothing on a day that asked one already.
    `rows` has those that were ever touched.
    """
    seen = {card: row for card in family if (row := rows.get(card)) is not None}
    if any(row.last_day == day or (row.learning and not row.hidden) for row in seen.values()):
        return None
    due = [(row.due_day, n) for n, card in enumerate(family) if (row := seen.get(card)) and row.due_day is not None and not row.hidden]
    if due and min(due)[0] <= day:
        return family[min(due)[1]]
    first = seen.get(family[0])
    open_now = family if first is not None and first.state in KNOWN else family[:1]
    return next((card for card in open_now if (row := seen.get(card)) is None or (row.state == "new" and not row.hidden)), None)


class HeldBack(NamedTuple):
    """How many new cards, and how many that are due, wait for a sibling."""

    new: int = 0
    due: int = 0


def held_back(
    cards: Iterable[str], siblings: Mapping[str, Sequence[str]], rows: Mapping[str, Queued], day: int
) -> HeldBack:
    """How many of these cards wait for a sibling on a study day."""
    new = due = 0
    for card in cards:
        row = rows.get(card)
        if (row is not None and (row.hidden or row.learning)) or chosen(siblings[card], rows, day) == card:
            continue
        if row is None or row.due_day is None:
            new += 1
        elif row.due_day <= day:
            due += 1
    return HeldBack(new, due)
