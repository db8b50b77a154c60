"""The way back: whole or not at all, checked before anything is moved."""

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
from sqlite_utils import Database

from studyapp.errors import StoreError
from studyapp.reviews.restore import restore
from studyapp.reviews.store import Store
from tests.reviews.conftest import filled


@pytest.fixture
def backup(path, settings, now):
    """A backup with forty cards; the database has gone on since."""
    filled(path, settings, now)
    with Store.open(path, settings, now) as store:
        store.append("review", "later#recall", now.replace(month=12), rating=3)
        return store.backups()[0]


def listing(path):
    return sorted((file.name, file.stat().st_size) for file in path.parent.iterdir())


def test_restore_says_what_is_there_now_and_where_the_old_one_is(path, settings, now, backup):
    """After a restore the backup's events are there, and the database that stood there can be restored in turn."""
    restored = restore(backup, path)
    assert restored.events == 200 and restored.aside == path.with_name("study.db.before-restore")
    with Store.open(path, settings, now) as store:
        assert store.card("later#recall").reps == 0
    assert restore(restored.aside, path).events == 201
    with Store.open(path, settings, now) as store:
        assert store.card("later#recall").reps == 1


def test_restore_refuses_what_is_no_backup(path, backup, tmp_path):
    """A missing file, a text, databases of something else and the database itself are refused, each by its own name,
    and nothing is moved."""
    (tmp_path / "notes.txt").write_text("not a database, but long enough to be read as one " * 50)
    (tmp_path / "empty.db").touch()
    Database(tmp_path / "other.db")["things"].insert({"a": 1})
    Database(tmp_path / "events.db")["events"].insert({"id": 1, "name": "a party"})
    before = listing(path)
    for name in ("missing.db", "notes.txt", "empty.db", "other.db", "events.db", "study.db"):
        with pytest.raises(StoreError) as caught:
            restore(tmp_path / name, path)
        assert name in caught.value.message and "begin anew" not in caught.value.hint
        assert str(backup) in caught.value.hint
    assert listing(path) == before


def test_a_damaged_backup_is_refused(path, backup):
    """A backup that fails SQLite's check is not put in place."""
    raw = bytearray(backup.read_bytes())
    raw[5000:] = os.urandom(len(raw) - 5000)
    backup.write_bytes(raw)
    before = listing(path)
    with pytest.raises(StoreError, match=r"damaged|sound"):
        restore(backup, path)
    assert listing(path) == before


def test_restore_refuses_while_the_database_is_open(path, settings, now, backup):
    """A database that another studyapp has open is not replaced under it."""
    with Store.open(path, settings, now) as store, pytest.raises(StoreError, match="open in another"):
        store.card("0#recall")
        restore(backup, path)


def test_restore_where_nothing_is_left(path, settings, now, tmp_path, backup):
    """A backup is restored into a new folder, and a folder that cannot be made is a StoreError."""
    moved = tmp_path / "new" / "study.db"
    assert restore(backup, moved).aside is None
    assert [file.name for file in moved.parent.iterdir()] == ["study.db"]
    with Store.open(moved, settings, now) as store:
        assert len(store.cards()) == 40
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="restored"):
        restore(backup, tmp_path / "file" / "study.db")


def test_restore_follows_a_link(path, settings, now, tmp_path, backup):
    """Where the database is a link, as into a synced folder, what it points to is replaced and the link stays."""
    (tmp_path / "sync").mkdir()
    real = path.rename(tmp_path / "sync" / "reviews.db")
    path.symlink_to(real)
    restored = restore(backup, path)
    assert path.is_symlink() and path.resolve() == real and restored.aside.parent == real.parent
    with Store.open(path, settings, now) as store:
        assert len(store.cards()) == 40


def test_a_backup_on_a_disk_that_cannot_be_written_is_restored(path, settings, now, backup, tmp_path, monkeypatch):
    """A copy in WAL mode in a folder without leave to write, such as a mounted snapshot, is read where it lies."""
    snapshot = tmp_path / "snapshot"
    snapshot.mkdir()
    with closing(sqlite3.connect(backup)) as source, closing(sqlite3.connect(snapshot / "reviews.db")) as copied:
        source.backup(copied)
        copied.execute("PRAGMA journal_mode = WAL")
    snapshot.chmod(0o555)
    real = sqlite3.connect

    def refused(target, *args, **kwargs):
        """What SQLite says of such a file; root is never refused by a folder."""
        if "mode=ro" in str(target) and "snapshot" in str(target):
            error = sqlite3.OperationalError("attempt to write a readonly database")
            error.sqlite_errorcode = sqlite3.SQLITE_READONLY | (5 << 8)
            raise error
        return real(target, *args, **kwargs)

    monkeypatch.setattr(sqlite3, "connect", refused)
    try:
        assert restore(snapshot / "reviews.db", path).events == 200
    finally:
        snapshot.chmod(0o755)
    assert [file.name for file in snapshot.iterdir()] == ["reviews.db"]


KILLED = """
import os, signal, sys
from pathlib import Path
from studyapp.reviews.restore import restore
left = int(sys.argv[3])
def hook(event, args):
    global left
    if event in ("os.rename", "os.link", "os.remove") and str(sys.argv[2]) in str(args):
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hook)
restore(Path(sys.argv[1]), Path(sys.argv[2]))
"""


def test_a_restore_that_is_killed_leaves_the_old_or_the_new(path, settings, now, backup):
    """Killed before any of its steps, a restore leaves the old database or the backup in its place, whole, never none;
    a second restore goes through."""
    old, new = 201, 200
    seen = []
    for step in range(12):
        run = subprocess.run([sys.executable, "-c", KILLED, str(backup), str(path), str(step)], timeout=60)
        with Store.open(path, settings, now) as store:
            seen.append(store.count("events"))
            assert seen[-1] == (new if run.returncode == 0 else old)
        if run.returncode == 0:
            break
        assert run.returncode == -signal.SIGKILL
    assert len(seen) >= 3 and seen[-1] == new and seen[0] == old
    aside = [file for file in path.parent.glob("study.db.before-restore*") if file.stat().st_size]
    with closing(sqlite3.connect(aside[0])) as connection:
        assert connection.execute("SELECT count(*) FROM events").fetchone() == (old,)
