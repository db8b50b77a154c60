"""Whether the cards are what the log makes of them, making them anew from it, and taking in another log."""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from studyapp.reviews.cards import CardState
from studyapp.reviews.log import LogEvent, RowError
from studyapp.reviews.scheduler import replay
from studyapp.reviews.sqlite_errors import guard
from studyapp.reviews.writer import Writer


@dataclass(frozen=True, slots=True)
class Difference:
    """A card that is not what its events make of it."""

    card: str
    stored: CardState | None
    replayed: CardState | None


class Replayed(Writer):
    """A database whose cards are a copy of what its log makes of them: compared with it, and made anew from it."""

    def rebuild(self) -> int:
        """Make all cards again from the log, and all indexes from their tables; how many cards there are."""
        with self._transaction():
            self._connection.execute("REINDEX")
            self._connection.execute("DELETE FROM undone")
            self._connection.executemany("INSERT INTO undone (seq, undo) VALUES (?, ?)", self._events.undone().items())
            self._connection.execute("DELETE FROM cards")
            for card in self._logged_cards():
                self._replay(card)
        return self.count("cards")

    def copy_tables(self, source: sqlite3.Connection, tables: Mapping[str, Sequence[str]]) -> None:
        """Take the rows of these tables and columns from another file, over those that are here."""
        with self._transaction():
            for table, columns in tables.items():
                named = ", ".join(columns)
                sql = f"INSERT OR REPLACE INTO {table} ({named}) VALUES ({', '.join('?' * len(columns))})"
                self._connection.executemany(sql, source.execute(f"SELECT {named} FROM {table}"))

    def differences(self) -> Iterator[Difference]:
        """The cards that are not what a replay of the log makes of them, and those with a wrong note of what was undone.

        Raises:
            DamagedError: where the log cannot be read.
        """
        run = self._connection.execute
        with guard(self.path):
            wrong = dict(run("SELECT seq, undo FROM undone")).keys() ^ self._events.undone().keys()
            doubtful = {card for (card,) in run(f"SELECT card FROM events WHERE seq IN ({','.join(map(str, wrong))})")}
            logged = self._logged_cards()
        for card in logged:
            with guard(self.path):
                events = list(self._events.select("card = ?", [card]))
            replayed, stored = replay(self.scheduler, events)[card], self._stored(card)
            if stored != replayed or card in doubtful:
                yield Difference(card, stored, replayed)
        with guard(self.path):
            strays = [card for (card,) in run("SELECT card FROM cards WHERE card NOT IN (SELECT card FROM events)")]
        yield from (Difference(card, self._stored(card), None) for card in strays)

    def missing(self, uids: Iterable[str]) -> list[str]:
        """Those of these uids that the log does not hold."""
        with guard(self.path):
            known = {uid for (uid,) in self._connection.execute("SELECT uid FROM events")}
        return [uid for uid in uids if uid not in known]

    def index_faults(self) -> list[str]:
        """Where SQLite's full check finds an index that is not what its table makes of it: counts may be wrong by it."""
        with guard(self.path):
            found = [text for (text,) in self._connection.execute("PRAGMA integrity_check(20)")]
        return [] if found == ["ok"] else found

    def take_in(self, events: Iterable[LogEvent]) -> int:
        """Write events of another log that are not here yet and make their cards again; how many were new."""
        cards: dict[str, None] = {}
        turned: dict[str, None] = {}
        new = 0
        with self._transaction():
            for event in events:
                if not self._events.insert(event):
                    continue
                new += 1
                cards[event.card] = None
                turned[event.target or event.uid] = None
            self._events.settle(turned)
            for card in cards:
                self._replay(card)
        return new

    def _stored(self, card: str) -> CardState | None:
        """A card as it stands in the table; None where it cannot be read."""
        try:
            return self._cards.get(card)
        except (RowError, sqlite3.Error, UnicodeDecodeError):
            return None

    def _logged_cards(self) -> list[str]:
        return [card for (card,) in self._connection.execute("SELECT DISTINCT card FROM events ORDER BY card")]
