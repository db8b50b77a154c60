"""Opening: damage is said with the way back, what is lost or of something else is not begun anew, and reading needs no leave."""

import os
import shlex
import sqlite3
import subprocess
import sys
from datetime import timedelta

import pytest
from sqlite_utils import Database, Migrations

from studyapp.errors import DamagedError, StoreError
from studyapp.reviews import migrations, opening, sqlite_errors
from studyapp.reviews.cards import Decks
from studyapp.reviews.restore import restore
from studyapp.reviews.store import Store
from tests.reviews.conftest import filled

# ---------------------------------------------------------------------- damage


@pytest.mark.parametrize("harm", ["header", "version", "reserved", "middle", "cut"])
def test_damage_is_said_with_the_way_back_and_restore_mends_it(path, settings, now, harm):
    """A damaged file is a DamagedError naming it and the restore to run; restore brings back all up to the backup."""
    cards = filled(path, settings, now)
    with Store.open(path, settings, now) as store:
        backup = store.backups()[0]
    raw = bytearray(path.read_bytes())
    if harm == "header":
        raw[:64] = b"\0" * 64
    elif harm == "version":
        raw[44:48] = b"\xff" * 4
    elif harm == "reserved":
        raw[30:48] = b"\x55" * 18
    elif harm == "middle":
        raw[4096:] = os.urandom(len(raw) - 4096)
    else:
        del raw[len(raw) // 2 :]
    path.write_bytes(raw)
    with pytest.raises(DamagedError, match="damaged") as caught:
        Store.open(path, settings, now)
    assert str(path) in caught.value.message and f"studyapp restore {backup}" in caught.value.hint
    aside = restore(backup, path).aside
    assert aside is not None and aside.read_bytes()[4096:] == bytes(raw)[4096:]
    with Store.open(path, settings, now) as store:
        assert store.cards() == cards


def test_the_way_back_can_be_pasted(tmp_path, settings, now):
    """In a folder whose name has a space, such as macOS's own, the command of the hint is one that a shell takes apart
    as it is meant."""
    path = tmp_path / "Application Support" / "it's" / "study.db"
    filled(path, settings, now)
    with Store.open(path, settings, now) as store:
        backup = store.backups()[0]
    path.write_bytes(b"\0" * 9000)
    with pytest.raises(DamagedError) as caught:
        Store.open(path, settings, now)
    assert shlex.split(caught.value.hint.removeprefix("Run: ")) == ["studyapp", "restore", str(backup)]


@pytest.mark.parametrize(
    ("table", "harm"),
    [
        ("cards", "due_day = -1000000"),
        ("cards", "state = 'half'"),
        ("cards", "last_at = '2026-13-01'"),
        ("cards", "suspended = 7"),
        ("cards", "stability = -1.0"),
        ("events", "rating = 1"),
        ("events", "at = 'x'"),
        ("events", "data = '{'"),
        ("events", "seconds = 1e300"),
        ("configs", "body = replace(body, '0.212', '0.213')"),
        ("configs", "body = substr(body, 2)"),
    ],
)
def test_a_row_that_is_not_as_it_was_written_is_damage(path, settings, now, table, harm):
    """A value changed behind the app's back is told as damage: of a card with the rebuild from the log, which is whole,
    of the log with the restore of the backup."""
    cards = filled(path, settings, now)
    with Store.open(path, settings, now) as store:
        backup = store.backups()[0]
        for trigger in ("events_stay", "events_remain"):
            store.db.conn.execute(f"DROP TRIGGER {trigger}")
        store.db.conn.execute("PRAGMA ignore_check_constraints = ON")
        store.db.conn.execute(f"UPDATE {table} SET {harm} WHERE rowid = 2 OR '{table}' = 'configs'")
    with Store.open(path, settings, now) as store, pytest.raises(DamagedError) as caught:
        (store.cards if table == "cards" else store.events)()
    if table != "cards":
        assert caught.value.hint == f"Run: studyapp restore {backup}"
        return
    assert caught.value.hint == "The log is whole. Run: studyapp doctor --rebuild"
    with Store.open(path, settings, now) as store:
        store.rebuild()
        assert store.cards() == cards


def test_text_that_is_no_utf_8_is_damage(path, settings, now):
    """Bytes that are no text are damage too, though Python's sqlite3 has its own error for them."""
    filled(path, settings, now)
    with Store.open(path, settings, now) as store:
        store.db.conn.execute("UPDATE cards SET last_at = CAST(x'ff41' AS TEXT)")
        with pytest.raises(DamagedError, match="UTF-8"):
            store.cards()


def test_a_fault_of_ours_keeps_its_traceback(store):
    """An error of SQLite that no state of the file can cause is no StoreError."""
    with pytest.raises(sqlite3.OperationalError, match="syntax"), sqlite_errors.guard(store.path):
        store.db.conn.execute("SELEKT 1")


# ---------------------------------------------------------------------- lost, foreign, newer


@pytest.mark.parametrize("left", ["backups", "aside", "part"])
@pytest.mark.parametrize("gone", [True, False])
def test_a_database_that_is_gone_is_not_begun_anew(path, settings, now, left, gone):
    """A missing or empty file beside what is left of one is said with the command that brings it back; nothing is
    written. Begun anew on purpose it is, and stays so."""
    cards = filled(path, settings, now)
    with Store.open(path, settings, now) as store:
        copy = store.backups()[0]
    if left != "backups":
        name = f"{path.name}.before-restore" if left == "aside" else f".{path.name}.x1y2z3ab"
        copy = copy.rename(path.with_name(name))
    path.unlink()
    if not gone:
        path.touch()
    before = sorted(file.name for file in path.parent.iterdir())
    with pytest.raises(StoreError, match="is gone" if gone else "is empty") as caught:
        Store.open(path, settings, now)
    assert f"studyapp restore {copy}" in caught.value.hint and "studyapp begin-anew" in caught.value.hint
    assert sorted(file.name for file in path.parent.iterdir()) == before
    with Store.open(path, settings, now, anew=True) as store:
        assert store.cards() == {}
    Store.open(path, settings, now).close()
    restore(copy, path)
    with Store.open(path, settings, now) as store:
        assert store.cards() == cards


def test_a_new_learner_is_not_asked(tmp_path, settings, now):
    """Where nothing is left of a database, one is made, also over an empty file and beside an empty folder of backups."""
    (tmp_path / "backups").mkdir()
    (tmp_path / "study.db").touch()
    with Store.open(tmp_path / "study.db", settings, now) as store:
        assert store.cards() == {}


def test_a_database_of_something_else_is_left_alone(path, settings, now):
    """A file with tables that are not ours is refused and not written to."""
    Database(path)["events"].insert({"id": 1, "name": "a party"})
    raw = path.read_bytes()
    with pytest.raises(StoreError, match="none of reviews"):
        Store.open(path, settings, now)
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (1,)
    assert len(raw) == path.stat().st_size


def test_a_backup_before_a_migration(path, settings, now, monkeypatch):
    """New tables are made only after a copy of the old ones; a newer database is refused by an older app."""
    cards = filled(path, settings, now)
    newer = Migrations("studyapp")
    for migration in opening.MIGRATIONS:
        newer(name=migration)(getattr(migrations, migration))

    @newer()
    def m003_more(db: Database) -> None:
        db["more"].create({"id": int})

    monkeypatch.setattr(migrations, "migrations", newer)
    monkeypatch.setattr(opening, "MIGRATIONS", (*opening.MIGRATIONS, "m003_more"))
    with Store.open(path, settings, now) as store:
        assert any(file.name == "study-before-m003_more.db" for file in store.backups())
        assert store.cards() == cards and store.db["more"].exists()
    monkeypatch.undo()
    with pytest.raises(StoreError, match="newer"):
        Store.open(path, settings, now)


def test_an_old_sqlite_is_said(path, settings, now, monkeypatch):
    """A Python whose SQLite has no STRICT tables is told so, before anything is made."""
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 36, 0))
    with pytest.raises(StoreError, match="too old"):
        Store.open(path, settings, now)
    assert not path.exists()


# ---------------------------------------------------------------------- disks and folders

WITHOUT_PRIVILEGE = """
import ctypes, os, sys
from datetime import UTC, datetime
from pathlib import Path
from studyapp.errors import StoreError
from studyapp.reviews.store import Store
from studyapp.settings import Settings
now = datetime(2026, 11, 24, 12, tzinfo=UTC)
if os.geteuid() == 0:  # root writes everywhere, until it gives up its capabilities; the leave of files then holds for it too
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    if ctypes.CDLL(None, use_errno=True).capset(header, (ctypes.c_uint32 * 6)()):
        raise OSError(ctypes.get_errno(), "capset")
with Store.open(Path(sys.argv[1]), Settings(timezone="UTC"), now) as store:
    print(len(store.cards()), store.writable)
    try:
        store.append("review", "a#recall", now, rating=3)
    except StoreError as error:
        print(error.hint)
"""


@pytest.mark.parametrize("wal", [False, True])
def test_a_database_that_cannot_be_written_is_read(tmp_path, settings, now, wal):
    """In a folder without leave to write the cards are read, also where the last changes stand in a log beside the
    file, and an answer is refused with a hint, not lost."""
    folder = tmp_path / "data"
    path = folder / "study.db"
    with Store.open(path, settings, now) as store:
        for n in range(3):
            store.append("review", f"{n}#recall", now, rating=3)
        if wal:
            copied = folder / "copied.db"
            for suffix in ("", "-wal"):
                copied.with_name(copied.name + suffix).write_bytes(path.with_name(path.name + suffix).read_bytes())
            path = copied
    for place in (tmp_path, *tmp_path.parents):
        if place.name.startswith(("test_", "pytest-", "popen-")):  # pytest's own folders, closed to others
            place.chmod(0o755)
    for file in folder.rglob("*"):
        file.chmod(0o755 if file.is_dir() else 0o444)
    folder.chmod(0o555)
    try:
        run = subprocess.run([sys.executable, "-c", WITHOUT_PRIVILEGE, str(path)], capture_output=True, text=True, timeout=60)
    finally:
        folder.chmod(0o755)
    assert run.stdout.splitlines() == ["3 False", sqlite_errors.ELSEWHERE], run.stderr


def test_a_full_disk_is_told_from_a_broken_one(store, monkeypatch):
    """An error of reading or writing on a disk without room says so; with room it is the disk that is to be looked at."""
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR | (21 << 8)
    real = os.statvfs(store.path.parent)
    for free, word in ((0, "Make room"), (real.f_blocks, "Look at the disk")):
        monkeypatch.setattr(os, "statvfs", lambda _, free=free: os.statvfs_result((4096, 4096, 2**30, free, free, 0, 0, 0, 0, 0)))
        with pytest.raises(StoreError) as caught, sqlite_errors.guard(store.path):
            raise error
        assert caught.value.hint.startswith(word)


def test_a_database_on_a_full_disk_is_read(path, settings, now, monkeypatch):
    """Where the disk is full the cards are read all the same, and an answer is refused with what is to be done."""
    cards = filled(path, settings, now)
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR | (19 << 8)
    monkeypatch.setattr(opening, "connect", lambda _: (_ for _ in ()).throw(error))
    monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result((4096, 4096, 2**30, 0, 0, 0, 0, 0, 0, 0)))
    with Store.open(path, settings, now) as store:
        assert store.cards() == cards and not store.writable
        with pytest.raises(StoreError, match="I/O") as caught:
            store.append("review", "0#recall", now + timedelta(days=30), rating=3)
    assert caught.value.hint == sqlite_errors.ROOM


def test_a_folder_that_cannot_be_made_is_said(tmp_path, settings, now):
    """A data folder that cannot be made is a StoreError that names it."""
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="file") as caught:
        Store.open(tmp_path / "file" / "study.db", settings, now)
    assert "STUDYAPP_HOME" in caught.value.hint


# ---------------------------------------------------------------------- what is done once a day


def test_a_backup_a_day(path, settings, now):
    """The first opening of a day with something to lose makes one backup; the second makes none."""
    filled(path, settings, now)
    for _ in range(2):
        with Store.open(path, settings, now) as store:
            assert [file.name for file in store.backups()] == ["study-2026-11-24.db"]
    with Store.open(path, settings, now + timedelta(days=1)) as store:
        assert len(store.backups()) == 2
        with Store.open(store.backups()[0], settings, now) as copy:
            assert copy.cards() == store.cards()


def test_a_backup_that_fails_is_a_notice(path, settings, now):
    """Where no backup can be made the store opens all the same and says so."""
    filled(path, settings, now)
    (path.parent / "backups").write_text("in the way")
    with Store.open(path, settings, now) as store:
        assert len(store.notices) == 1 and "No backup" in store.notices[0]


def test_a_large_file_is_checked_once_a_day(path, settings, now, monkeypatch):
    """A small file is checked at every opening, a large one only before the day's backup is made."""
    filled(path, settings, now)
    checked = []
    monkeypatch.setattr(opening, "check", lambda connection, file: checked.append(file))

    def openings(day):
        checked.clear()
        for _ in range(2):
            Store.open(path, settings, now + timedelta(days=day)).close()
        return len(checked)

    assert openings(1) == 2
    monkeypatch.setattr(opening, "ALWAYS_CHECKED", 0)
    assert openings(1) == 0 and openings(2) == 1


def test_check_and_backup_can_wait(path, settings, now, monkeypatch):
    """Opened in the background's favour, neither check nor backup is made at opening; `maintenance` makes both in
    another thread while the store is used, and hands over what went wrong."""
    import threading

    cards = filled(path, settings, now)
    monkeypatch.setattr(opening, "ALWAYS_CHECKED", 0)
    checked = []
    real = opening.check
    monkeypatch.setattr(opening, "check", lambda connection, file: (checked.append(file), real(connection, file)))
    with Store.open(path, settings, now, background=True) as store:
        assert checked == [] and store.backups() == []
        notices = [["not run"]]
        thread = threading.Thread(target=lambda: notices.append(store.maintenance(now)))
        thread.start()
        store.append("review", "new#recall", now + timedelta(days=30), rating=3)
        thread.join()
        assert notices[-1] == [] and checked == [path]
        (copy,) = store.backups()
        with Store.open(copy, settings, now) as copied:
            assert {card: copied.card(card) for card in cards} == cards


def test_damage_found_in_the_background_is_told(path, settings, now, monkeypatch):
    """Maintenance of a large file that is damaged raises the error with the way back, and makes no backup of it."""
    filled(path, settings, now)
    monkeypatch.setattr(opening, "ALWAYS_CHECKED", 0)
    with Store.open(path, settings, now, background=True) as store:
        store.db.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        raw = bytearray(path.read_bytes())
        raw[-4096:] = os.urandom(4096)
        path.write_bytes(raw)
        with pytest.raises(DamagedError):
            store.maintenance(now)
        assert store.backups() == []


def test_maintenance_that_is_stopped_leaves_nothing(path, settings, now, monkeypatch):
    """Where the app is left while its file is checked or copied, the thread ends, says nothing and leaves no part of a backup."""
    from studyapp.reviews import backup

    filled(path, settings, now)
    monkeypatch.setattr(opening, "ALWAYS_CHECKED", 0)
    monkeypatch.setattr(backup, "STEP_PAGES", 1)
    real = opening.check
    with Store.open(path, settings, now, background=True) as store:
        monkeypatch.setattr(opening, "check", lambda connection, file: (real(connection, file), store.stop_maintenance()))
        assert store.maintenance(now) == []
        assert not [*path.parent.glob("backups/*"), *path.parent.glob("backups/.*")]
    with Store.open(path, settings, now) as store:
        assert len(store.backups()) == 1, "the next opening makes what was given up"


def test_the_topics_of_a_new_bank_are_noted_beside_the_first_screen(path, settings, now, monkeypatch):
    """In the background's favour Home counts without the note of each card's deck; maintenance notes them; the counts agree."""
    from studyapp.reviews import cards as card_table

    filled(path, settings, now)
    monkeypatch.setattr(card_table, "STEP", 7)
    decks = Decks({"even": [f"{n}#recall" for n in range(0, 60, 2)], "odd": [f"{n}#recall" for n in range(1, 60, 2)]})
    with Store.open(path, settings, now, background=True) as store:
        before = store.overview(decks, now)
        noted = "SELECT count(*) FROM cards WHERE deck IS NOT NULL"
        assert store.db.execute(noted).fetchone()[0] == 0
        store.maintenance(now)
        assert store.db.execute(noted).fetchone()[0] == store.count("cards")
        assert store.overview(decks, now) == before
        other = Decks({"all": [f"{n}#recall" for n in range(60)]})
        assert store.overview(other, now).waiting["all"].known == before.today.known, "noted at once from then on"
        assert store.db.execute("SELECT DISTINCT deck FROM cards").fetchall() == [("all",)]


def test_topics_half_noted_are_not_counted_by(path, settings, now, monkeypatch):
    """Where noting a new bank's topics is stopped half way, and the old bank comes back, its counts are right again."""
    from studyapp.reviews import cards as card_table

    filled(path, settings, now)
    monkeypatch.setattr(card_table, "STEP", 7)
    old, new = (Decks({name: [f"{n}#recall" for n in range(60)]}) for name in ("old", "new"))
    with Store.open(path, settings, now) as store:
        counted = store.overview(old, now)
        answers = iter([False, True])
        card_table.CardTable(store.db.conn).assign_in_steps(new, lambda: next(answers))
        assert {deck for (deck,) in store.db.execute("SELECT DISTINCT deck FROM cards")} == {"old", "new"}
        assert store.overview(old, now) == counted


def test_deck_counts_of_a_file_that_cannot_be_written(path, settings, now):
    """What Home shows is counted also where nothing can be noted in the file, and is the same."""
    filled(path, settings, now)
    decks = Decks({"t": [f"{n}#recall" for n in range(60)]})
    with Store.open(path, settings, now) as store:
        expected = store.overview(decks, now)
    connection = opening.connect_reading(path)
    connection.execute("UPDATE cards SET deck = NULL")
    connection.execute("PRAGMA query_only = ON")
    with Store(path, connection, settings, StoreError("no leave")) as reading:
        assert reading.overview(decks, now) == expected
