"""The tables of the database of reviews, made by migrations: what is listed here stays, and what is new is added below."""

from sqlite_utils import Database, Migrations

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
