"""Databases with a bit flipped, through everything that reads them: `python -m tests.campaigns.flips --times 500`.

A database with a few weeks of study gets one bit flipped, anywhere in the file. Then it is opened and read as the app
and the commands do. What may come out is what was there, or a DamagedError with the way back; never a traceback, and
where what is read differs from what was there, `doctor` must see it.
"""

import argparse
import random
import sys
import tempfile
import traceback
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from studyapp.errors import StoreError
from studyapp.reviews.cards import Decks
from studyapp.reviews.log import active_events
from studyapp.reviews.repair import rebuild
from studyapp.reviews.store import Store
from studyapp.reviews.study import StudySession
from studyapp.settings import Settings

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
SETTINGS = Settings(timezone="UTC")
CARDS = [f"question-{n}#recall" for n in range(40)]
LATER = NOW + timedelta(days=20)
PARTS = ("cards", "log", "what counts", "overview", "days", "seconds", "counts", "next", "last seq", "card count")
FINE, TOLD, SEEN, SILENT, TRACEBACK = "no difference", "told at once", "seen by doctor", "silent", "traceback"


def studied(path: Path) -> None:
    """A database with reviews, undos, cards put away and data of their own."""
    dice = random.Random(1)
    with Store.open(path, SETTINGS, NOW, background=True) as store:
        for n in range(240):
            at = NOW + timedelta(hours=2 * n)
            card = dice.choice(CARDS)
            data = {"ticked": [0, 2], "suggested": 2, "sitting": "a1b2c3d4", "outline": "方差 grows with d"}
            store.append("review", card, at, rating=dice.randint(1, 4), seconds=dice.uniform(5, 90), data=data)
            if n % 11 == 0:
                store.append(dice.choice(("bury", "suspend", "unsuspend", "reset")), dice.choice(CARDS), at)
            if n % 17 == 0:
                store.undo(at)


def everything(store: Store) -> tuple[Any, ...]:
    """All that is shown of a database: the cards, the log, the counts of Home and Stats, a sitting's first card."""
    sitting = StudySession(store, CARDS, LATER)
    log = store.events()
    return (
        store.cards(), log, active_events(log), store.overview(Decks({"all": CARDS}), LATER), store.days(),
        store.latest_seconds(), sitting.counts(LATER), sitting.next(LATER), store.last_seq(), store.count("cards"),
    )  # fmt: skip


def flip(whole: bytes, dice: random.Random, path: Path) -> int:
    """Write the file with one bit flipped; which byte."""
    raw = bytearray(whole)
    place = dice.randrange(len(raw))
    raw[place] ^= 1 << dice.randrange(8)
    path.write_bytes(raw)
    return place


def outcome(path: Path, expected: tuple[Any, ...]) -> tuple[str, str]:
    """What became of a file with a flipped bit, and the traceback where there was one."""
    try:
        try:
            with Store.open(path, SETTINGS, LATER, background=True) as store:
                read = everything(store)
        except StoreError as error:
            return (TOLD, "") if error.hint else (TRACEBACK, "an error without a hint")
        if read == expected:
            return FINE, ""
        with Store.open(path, SETTINGS, LATER, background=True) as store:
            try:
                seen = bool(list(store.differences()) or store.index_faults())
            except StoreError:
                seen = True
        parts = [f"{name}: {there!r:.200}" for name, here, there in zip(PARTS, expected, read, strict=True) if here != there]
        return (SEEN, "") if seen else (SILENT, "\n".join(parts))
    except Exception:
        return TRACEBACK, traceback.format_exc()


def mended(path: Path, expected: tuple[Any, ...]) -> bool:
    """Whether a rebuild brings all back as it was; a log that is damaged itself says so."""
    try:
        rebuild(path, SETTINGS)
        with Store.open(path, SETTINGS, LATER, background=True) as store:
            return everything(store)[:2] == expected[:2]
    except StoreError as error:
        return "doctor" not in error.hint


def campaign(times: int, seed: int, folder: Path) -> tuple[Counter[str], list[str]]:
    """Flip so many bits, one at a time; how often each outcome came, and what must not be."""
    dice, made = random.Random(seed), folder / "study.db"
    studied(made)
    with Store.open(made, SETTINGS, LATER, background=True) as store:
        everything(store)  # the decks are noted, so that reading changes nothing any more
        expected = everything(store)
        store.db.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    whole, counted, wrong = made.read_bytes(), Counter[str](), []
    for number in range(times):
        path = folder / str(number) / "study.db"
        path.parent.mkdir()
        place = flip(whole, dice, path)
        found, text = outcome(path, expected)
        counted[found] += 1
        if found in (TRACEBACK, SILENT):
            wrong.append(f"byte {place}: {found}\n{text}")
        if found in (TOLD, SEEN) and not mended(path, expected):
            wrong.append(f"byte {place}: {found}, and not as it was after a rebuild")
        for file in path.parent.iterdir():
            file.unlink()
    return counted, wrong


def main() -> None:
    """Print how often each outcome came; leaves with 1 where a bit did what none may do."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        counted, wrong = campaign(given.times, given.seed, Path(folder))
    for text in wrong:
        print(text)
    for name, count in counted.most_common():
        print(f"{count:6} {name}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
