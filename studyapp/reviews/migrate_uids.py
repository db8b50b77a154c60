"""Giving an identity to events that were known by their number, in an order of (at, uid) that replays to the same cards."""

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from studyapp.reviews.log import uuid7_of

NUMBERED = (
    "seq", "kind", "card", "at", "day", "rating", "ticked", "suggested", "seconds", "language", "was", "target", "recipe",
    "device",
)  # fmt: skip


def identified(run: Callable[..., Any]) -> Iterator[dict[str, Any]]:
    """The rows of the tables `numbered` and `numbered_undone` in the order of seq, each with its uid.

    Where a clock was set back, a later event of a card could stand before an earlier one. So an event's moment is moved
    next to those it follows, and `data` keeps the moment that was noted. The reviews that a card rests on are not moved.
    """
    fixed = _fixed(run)
    uids: dict[int, str] = {}
    latest: dict[str, str] = {}  # of each card, the moment of its event before
    reversed_at: dict[int, str] = {}
    for values in run(f"SELECT {', '.join(NUMBERED)} FROM numbered ORDER BY seq"):
        row = dict(zip(NUMBERED, values, strict=True))
        seq, card, noted = row["seq"], row["card"], row["at"]
        content = "\x1f".join(map(str, values)).encode("utf-8", "surrogatepass")
        data: dict[str, Any] = {}
        if row["target"] is not None:
            row["at"] = reversed_at[row["target"]] = max(noted, reversed_at.get(row["target"], ""))
        elif seq in fixed:
            row["at"] = latest[card] = noted
        else:
            following = fixed.next_of(card, seq)
            at = max(noted, latest.get(card, ""))
            row["at"] = latest[card] = min(at, following) if following else at
        if row["at"] != noted:
            data["noted_at"] = noted
        if row["kind"] == "review":
            data |= {"ticked": json.loads(row["ticked"])} if row["ticked"] != "[]" or row["suggested"] is not None else {}
            data |= {"suggested": row["suggested"]} if row["suggested"] is not None else {}
        uids[seq] = uuid7_of(datetime.fromisoformat(row["at"]), seq, content)
        yield row | {
            "uid": uids[seq], "target": uids[row["target"]] if row["target"] is not None else None,
            "config": row["recipe"], "data": data,
        }  # fmt: skip


class _Fixed:
    """The reviews that cards rest on: those that stand, since the last reset that stands. Their moments never go back."""

    def __init__(self) -> None:
        self._of: dict[str, list[tuple[int, str]]] = {}
        self._seqs: set[int] = set()

    def add(self, seq: int, card: str, at: str) -> None:
        self._of.setdefault(card, []).append((seq, at))
        self._seqs.add(seq)

    def forget(self, card: str) -> None:
        self._seqs -= {seq for seq, _ in self._of.pop(card, ())}

    def __contains__(self, seq: int) -> bool:
        return seq in self._seqs

    def next_of(self, card: str, seq: int) -> str | None:
        """The moment of the first fixed review of a card after an event."""
        listed = self._of.get(card, [])
        while listed and listed[0][0] < seq:
            listed.pop(0)
        return listed[0][1] if listed else None


def _fixed(run: Callable[..., Any]) -> _Fixed:
    fixed = _Fixed()
    sql = """SELECT seq, kind, card, at FROM numbered WHERE kind IN ('review', 'reset')
        AND seq NOT IN (SELECT target FROM numbered_undone) ORDER BY seq"""
    for seq, kind, card, at in run(sql):
        if kind == "reset":
            fixed.forget(card)
        else:
            fixed.add(seq, card, at)
    return fixed
