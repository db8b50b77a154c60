"""What the log has made of a card: a copy for quick reading, one row a card."""

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from hashlib import blake2b
from typing import Annotated, Any, Literal, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from studyapp.reviews.log import RowError
from studyapp.reviews.siblings import HeldBack, Queued, families, held_back
from studyapp.settings import Settings

EPOCH = date(1970, 1, 1)
EPOCH_ORDINAL = EPOCH.toordinal()
Days = Annotated[int, msgspec.Meta(ge=-800_000, le=4_000_000)]
Count = Annotated[int, msgspec.Meta(ge=0)]
Aware = Annotated[datetime, msgspec.Meta(tz=True)]


@dataclass(frozen=True, slots=True)
class CardState:
    """What the events have made of one card. `due_at` stands while it is (re)learning, `due_day` once in review."""

    card: str
    state: Literal["new", "learning", "review", "relearning"] = "new"
    step: Count | None = None
    due_at: Aware | None = None
    due_day: Days | None = None
    stability: Annotated[float, msgspec.Meta(gt=0, le=1e6)] | None = None
    difficulty: Annotated[float, msgspec.Meta(ge=0, le=11)] | None = None
    last_day: Days | None = None
    last_at: Aware | None = None
    reps: Count = 0
    lapses: Count = 0
    suspended: bool = False
    buried_day: Days | None = None
    leech: bool = False

    def hidden(self, day: int) -> bool:
        """Whether it is suspended, or buried on that study day or later."""
        return self.suspended or (self.buried_day is not None and self.buried_day >= day)


COLUMNS = [field.name for field in fields(CardState)]
LISTED = ", ".join(COLUMNS)
HIDDEN = "suspended OR coalesce(buried_day >= :day, 0)"
"""SQL: what `CardState.hidden` says."""


def study_day(at: datetime, settings: Settings) -> int:
    """The day that a moment belongs to, as days since 1970: it turns at the rollover hour of the local clock."""
    local = at.astimezone(_zone(settings.timezone) if settings.timezone else None)
    return (local.replace(tzinfo=None) - timedelta(hours=settings.rollover_hour)).toordinal() - EPOCH_ORDINAL


def day_start(day: int, settings: Settings) -> datetime:
    """The moment at which a study day begins, on the learner's clock of that day."""
    zone = _zone(settings.timezone) if settings.timezone else None
    moment = datetime.combine(EPOCH + timedelta(days=day), time(settings.rollover_hour), tzinfo=zone)
    return moment if zone else moment.astimezone()  # the zone of this machine


class DeckRow(NamedTuple):
    """Cards of a deck that are alike.

    Attributes:
        started: those in (re)learning whose minute has come or may be learnt ahead.
        recall: the sum of the chances of recall today of the `reviewed`.
    """

    deck: str
    due_day: int | None
    state: str
    suspended: bool
    buried_day: int | None
    cards: int
    started: int
    reviewed: int
    recall: float


STEP = 5000
"""Cards whose deck is noted at a stretch, beside the app."""


class Decks:
    """A division of cards into decks, such as the topics of a bank.

    Attributes:
        sizes: how many cards each has.
        siblings: of the cards that have siblings, all of them in their order.
        known: the deck of a card, None where it is in none; SQLite asks it for every card there is.
    """

    def __init__(self, decks: Mapping[str, Sequence[str]]) -> None:
        self.sizes = {name: len(cards) for name, cards in decks.items()}
        self._deck_of = {card: name for name, cards in decks.items() for card in cards}
        self.known = self._deck_of.get
        self.siblings = families(self._deck_of)
        digest = blake2b(digest_size=16)
        for name, cards in decks.items():
            digest.update("\n".join([name, *cards, ""]).encode())
        self.fingerprint = digest.hexdigest()

    def held_back(self, rows: Mapping[str, Queued], day: int) -> dict[str, HeldBack]:
        """For each deck the cards that wait for a sibling on a study day."""
        cards: dict[str, list[str]] = {}
        for card in self.siblings:
            cards.setdefault(self.deck_of(card), []).append(card)
        return {deck: held_back(listed, self.siblings, rows, day) for deck, listed in cards.items()}

    def deck_of(self, card: str) -> str:
        """The deck of a card, "" where it is in none."""
        return self._deck_of.get(card, "")


class CardTable:
    """The table `cards` of one database. Reading raises RowError for a row that no event can have made."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def get(self, card: str) -> CardState:
        """One card; new where it has no events."""
        row = self._connection.execute(f"SELECT {LISTED} FROM cards WHERE card = ?", [card]).fetchone()
        return from_row(row) if row else CardState(card)

    def all(self) -> Iterator[CardState]:
        """Every card that has events."""
        return map(from_row, self._connection.execute(f"SELECT {LISTED} FROM cards"))

    def put(self, state: CardState) -> None:
        """Write a card over what stood there."""
        values = [getattr(state, name) for name in COLUMNS]
        values = [to_text(value) if isinstance(value, datetime) else value for value in values]
        marks, kept = ", ".join("?" * len(COLUMNS)), ", ".join(f"{name} = excluded.{name}" for name in COLUMNS[1:])
        sql = f"INSERT INTO cards ({LISTED}) VALUES ({marks}) ON CONFLICT (card) DO UPDATE SET {kept}"
        self._connection.execute(sql, values)


    # ------------------------------------------------------------------ counted by deck

    def unassigned(self, decks: Decks) -> bool:
        """Whether a card's deck is not noted, or was by another division into decks."""
        if self._connection.execute("SELECT 1 FROM cards WHERE deck IS NULL LIMIT 1").fetchone():
            return True
        known = self._connection.execute("SELECT value FROM about WHERE name = 'decks'").fetchone()
        return known is None or known[0] != decks.fingerprint

    def assign_in_steps(self, decks: Decks, stopped: Callable[[], bool]) -> None:
        """As `assign`, outside any transaction: some thousand cards in each, so that no answer given meanwhile waits for long.

        Until all are noted the note of the division is gone, so that nobody counts by it.
        """
        run = self._connection.execute
        run("DELETE FROM about WHERE name = 'decks'")
        self._connection.create_function("deck_of", 1, decks.deck_of, deterministic=True)
        last = run("SELECT max(rowid) FROM cards").fetchone()[0] or 0
        for low in range(0, last, STEP):
            if stopped():
                return
            run("UPDATE cards SET deck = deck_of(card) WHERE rowid > ? AND rowid <= ? AND deck IS NOT deck_of(card)", [low, low + STEP])
        run("BEGIN IMMEDIATE")
        try:
            self.assign(decks)
            run("COMMIT")
        except BaseException:
            run("ROLLBACK")
            raise

    def assign(self, decks: Decks) -> None:
        """Note each card's deck, "" where it is in none, so that counting needs no look at the ids."""
        self._connection.create_function("deck_of", 1, decks.deck_of, deterministic=True)
        known = self._connection.execute("SELECT value FROM about WHERE name = 'decks'").fetchone()
        same = known is not None and known[0] == decks.fingerprint
        where = "deck IS NULL" if same else "deck IS NOT deck_of(card)"
        self._connection.execute(f"UPDATE cards SET deck = deck_of(card) WHERE {where}")
        if not same:
            self._connection.execute("INSERT OR REPLACE INTO about VALUES ('decks', ?)", [decks.fingerprint])

    def deck_rows(
        self, decks: Decks, forgetting: tuple[float, float], day: int, ahead: datetime
    ) -> Iterator[DeckRow]:
        """The cards of each deck that have events, counted by what they have alike: one pass over an index."""
        decay, factor = forgetting
        if not self.unassigned(decks):
            source = "cards WHERE deck != ''"
        else:  # a file that cannot be written, or a new bank; each card is asked for once, and those in no deck are left out below
            self._connection.create_function("deck_of", 1, decks.known, deterministic=True)
            source = f"(SELECT {LISTED}, deck_of(card) AS deck FROM cards)"
        alike = "deck, due_day, state, suspended, buried_day"
        sql = f"""SELECT {alike}, count(*), count(due_at <= :ahead OR NULL), count(stability),
                total(power(1.0 + :factor * max(0, :day - last_day) / stability, -:decay))
            FROM {source} GROUP BY {alike}"""
        values = {"day": day, "ahead": to_text(ahead), "factor": factor, "decay": decay}
        return (DeckRow._make(row) for row in self._connection.execute(sql, values) if row[0])


def to_text(at: datetime) -> str:
    """A moment as it stands in a column: UTC, microseconds, so that texts sort as moments do."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def from_row(row: Sequence[Any]) -> CardState:
    """A card from its row, every value checked.

    Raises:
        RowError: where no event can have made it.
    """
    values = dict(zip(COLUMNS, row, strict=True))
    try:
        for name in ("suspended", "leech"):
            values[name] = {0: False, 1: True}[values[name]]
        return msgspec.convert(values, CardState)
    except (msgspec.MsgspecError, ValueError, KeyError, TypeError) as error:
        raise RowError(f"card {row[0]}: {error}") from error


@cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)
