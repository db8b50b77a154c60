"""The tables of the database of reviews, made by migrations: what is listed here stays, and what is new is added below."""

import json
from typing import Any

from sqlite_utils import Database, Migrations

from studyapp.reviews.event_log import SUMMED
from studyapp.reviews.log import checksum, new_device
from studyapp.reviews.migrate_uids import identified

migrations = Migrations("studyapp")


@migrations()
def m001_log_and_cards(db: Database) -> None:
    """The log, the recipes its reviews were made with, what stands undone, and the cards."""
    for statement in (
        "CREATE TABLE recipes (id INTEGER PRIMARY KEY, body TEXT NOT NULL UNIQUE)",
        """CREATE TABLE events (
            seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, card TEXT NOT NULL, at TEXT NOT NULL,
            day INTEGER NOT NULL, rating INTEGER CHECK (rating BETWEEN 1 AND 4), ticked TEXT NOT NULL,
            suggested INTEGER, seconds REAL NOT NULL, language TEXT NOT NULL, was TEXT,
            target INTEGER REFERENCES events (seq), recipe INTEGER REFERENCES recipes (id), device TEXT NOT NULL,
            CHECK (kind IN ('review', 'undo', 'redo', 'suspend', 'unsuspend', 'bury', 'reset')),
            CHECK ((kind = 'review') = (rating IS NOT NULL)),
            CHECK ((kind IN ('undo', 'redo')) = (target IS NOT NULL)))""",
        "CREATE INDEX events_of_card ON events (card, seq)",
        "CREATE INDEX events_of_day ON events (day, kind)",
        """CREATE TRIGGER events_stay BEFORE UPDATE ON events
            BEGIN SELECT RAISE(ABORT, 'the log of events is only added to'); END""",
        """CREATE TRIGGER events_remain BEFORE DELETE ON events
            BEGIN SELECT RAISE(ABORT, 'the log of events is only added to'); END""",
        "CREATE TABLE undone (target INTEGER PRIMARY KEY, undo INTEGER NOT NULL)",
        """CREATE TABLE cards (
            card TEXT PRIMARY KEY, state TEXT NOT NULL, step INTEGER, due_at TEXT, due_day INTEGER, stability REAL,
            difficulty REAL, last_day INTEGER, last_at TEXT, reps INTEGER NOT NULL, lapses INTEGER NOT NULL,
            suspended INTEGER NOT NULL, buried_day INTEGER, leech INTEGER NOT NULL, seq INTEGER NOT NULL)""",
    ):
        db.conn.execute(statement)


@migrations()
def m002_events_by_uid(db: Database) -> None:
    """Events with an identity, so that logs can be united; kinds and what belongs to one of them are open; checksums."""
    run = db.conn.execute
    for statement in (
        "DROP TRIGGER events_stay",
        "DROP TRIGGER events_remain",
        "DROP INDEX events_of_card",
        "DROP INDEX events_of_day",
        "ALTER TABLE events RENAME TO numbered",
        "ALTER TABLE undone RENAME TO numbered_undone",
        "ALTER TABLE cards RENAME TO numbered_cards",
        "CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT",
        "CREATE TABLE configs (id INTEGER PRIMARY KEY, body TEXT NOT NULL UNIQUE) STRICT",
        "INSERT INTO configs SELECT id, body FROM recipes",
        """CREATE TABLE events (
            seq INTEGER PRIMARY KEY AUTOINCREMENT, uid TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, card TEXT NOT NULL,
            at TEXT NOT NULL, day INTEGER NOT NULL, rating INTEGER CHECK (rating BETWEEN 1 AND 4), seconds REAL NOT NULL,
            language TEXT NOT NULL, was TEXT, target TEXT, config INTEGER REFERENCES configs (id), device TEXT NOT NULL,
            data TEXT NOT NULL, crc INTEGER NOT NULL) STRICT""",
        "CREATE TABLE undone (seq INTEGER PRIMARY KEY, undo INTEGER NOT NULL) STRICT",
        """CREATE TABLE cards (
            card TEXT PRIMARY KEY, state TEXT NOT NULL, step INTEGER, due_at TEXT, due_day INTEGER, stability REAL,
            difficulty REAL, last_day INTEGER, last_at TEXT, reps INTEGER NOT NULL, lapses INTEGER NOT NULL,
            suspended INTEGER NOT NULL, buried_day INTEGER, leech INTEGER NOT NULL, deck TEXT) STRICT""",
    ):
        run(statement)
    device = new_device()
    run("INSERT INTO about VALUES ('device', ?)", [device])
    bodies: dict[Any, str] = {None: "", **dict(run("SELECT id, body FROM configs").fetchall())}
    columns = ("seq", *SUMMED, "config", "crc")
    sql = f"INSERT INTO events ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
    for row in identified(run):
        row |= {"device": device, "data": json.dumps(row["data"], sort_keys=True) if row["data"] else "{}"}
        row["crc"] = checksum([row[name] for name in SUMMED], bodies[row["config"]])
        run(sql, [row[name] for name in columns])
    run("INSERT INTO undone SELECT target, undo FROM numbered_undone")
    shared = """card, state, step, due_at, due_day, stability, difficulty, last_day, last_at, reps, lapses, suspended,
        buried_day, leech"""
    run(f"INSERT INTO cards ({shared}) SELECT {shared} FROM numbered_cards")
    for statement in (
        "DROP TABLE numbered_undone",
        "DROP TABLE numbered_cards",
        "DROP TABLE numbered",
        "DROP TABLE recipes",
        "CREATE INDEX events_of_card ON events (card, at)",
        "CREATE INDEX events_of_day ON events (day, kind)",
        "CREATE INDEX events_of_target ON events (target) WHERE target IS NOT NULL",
        "CREATE INDEX cards_of_deck ON cards (deck, due_day, state, suspended, buried_day, due_at, stability, last_day)",
        """CREATE TRIGGER events_stay BEFORE UPDATE ON events
            BEGIN SELECT RAISE(ABORT, 'the log of events is only added to'); END""",
        """CREATE TRIGGER events_remain BEFORE DELETE ON events
            BEGIN SELECT RAISE(ABORT, 'the log of events is only added to'); END""",
    ):
        run(statement)


@migrations()
def m003_index_of_annotations(db: Database) -> None:
    """Stars and notes are few among many reviews: they are found without a look at those."""
    db.conn.execute("CREATE INDEX events_of_annotations ON events (card, at) WHERE kind IN ('star', 'unstar', 'note')")
