"""The database of reviews: nothing lost, nothing doubled, and a way back from damage."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st
from sqlite_utils import Database

from studyapp.errors import StoreError
from studyapp.reviews import migrations
from studyapp.reviews import store as store_module
from studyapp.reviews.backup import restore, thinned
from studyapp.reviews.scheduler import CardState, Rating, replay
from studyapp.reviews.store import Store
from studyapp.settings import Settings

UTC_SETTINGS = Settings(timezone="UTC")
verbs = st.lists(
    st.tuples(
        st.sampled_from(["review"] * 4 + ["undo", "undo", "redo", "suspend", "unsuspend", "bury", "reset"]),
        st.sampled_from(["a#recall", "b#recall", "c#recall"]),
        st.integers(1, 4),
        st.integers(0, 3 * 24 * 60),
    ),
    max_size=30,
)


@given(verbs)
@effort(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_cards_kept_are_a_replay_of_the_log(tmp_path_factory, now, done):
    """Whatever is done and undone, the cards kept beside the log equal its replay, and a rebuild changes nothing."""
    at = now
    with Store.open(tmp_path_factory.mktemp("s") / "study.db", UTC_SETTINGS, now) as store:
        for verb, card, rating, minutes in done:
            at += timedelta(minutes=minutes)
            if verb in ("undo", "redo"):
                getattr(store, verb)(at)
            elif verb == "review":
                store.append("review", card, at, rating=rating)
            else:
                store.append(verb, card, at)
        kept = store.cards()
        assert kept == replay(store.scheduler, store.events())
        store.rebuild()
        assert store.cards() == kept


def test_an_event_keeps_all_that_was_said(store, now):
    """Ticks, suggestion, seconds, language, day, parameters and device come back from the log as they went in."""
    made = store.append("review", "a#recall", now, rating=2, ticked=(0, 2), suggested=3, seconds=4.5, language="zh")
    (read,) = store.events("a#recall")
    assert read == made
    assert (read.ticked, read.suggested, read.seconds, read.language, read.was) == ((0, 2), 3, 4.5, "zh", "new")
    assert read.config is not None and len(read.config.parameters) == 21 and read.config.version.startswith("FSRS-6")


def test_the_log_is_only_added_to(store, now):
    """No statement changes or deletes an event."""
    store.append("review", "a#recall", now, rating=3)
    for statement in ("UPDATE events SET rating = 4", "DELETE FROM events"):
        with pytest.raises(sqlite3.IntegrityError, match="only added to"):
            store.db.conn.execute(statement)


def test_undo_and_redo_walk_like_an_editor(store, now):
    """Undo goes back one by one, redo forward, and something new forgets what could be done again."""
    one = store.append("review", "a#recall", now, rating=3)
    two = store.append("review", "b#recall", now, rating=3)
    assert [store.undo(now), store.undo(now), store.undo(now)] == [two, one, None]
    assert store.card("a#recall").state == "new" and store.card("a#recall").reps == 0
    assert store.redo(now) == one
    three = store.append("suspend", "c#recall", now)
    assert store.redo(now) is None
    assert [store.undo(now), store.undo(now), store.undo(now)] == [three, one, None]
    assert [store.redo(now), store.redo(now), store.redo(now)] == [one, three, None]
    assert store.card("b#recall").reps == 0


@pytest.mark.parametrize("rating", [0, 5, None, True, "3", 2.5])
def test_a_rating_that_does_not_exist_is_refused(store, now, rating):
    """Only 1 to 4 are ratings; anything else writes nothing."""
    with pytest.raises(StoreError, match="is not a rating"):
        store.append("review", "a#recall", now, rating=rating)
    assert store.events() == []


def test_an_answer_to_a_stale_card_is_refused(store, now):
    """Where the card has changed since it was shown, its answer writes nothing."""
    shown = store.card("a#recall")
    store.append("review", "a#recall", now, rating=3, expect=shown.seq)
    with pytest.raises(StoreError, match="changed since"):
        store.append("review", "a#recall", now, rating=3, expect=shown.seq)
    assert len(store.events()) == 1


def test_a_clock_set_back_is_refused(store, now):
    """A review before the card's last review writes nothing and names the clock."""
    store.append("review", "a#recall", now, rating=3)
    with pytest.raises(StoreError, match="before its last") as caught:
        store.append("review", "a#recall", now - timedelta(seconds=1), rating=3)
    assert "clock" in caught.value.hint and len(store.events()) == 1


def test_unknown_kinds_are_refused(store, now):
    """Only the kinds of the log can be written."""
    with pytest.raises(StoreError):
        store.append("delete", "a#recall", now)


KILLED = """
import os, sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from studyapp.reviews.store import Store
from studyapp.settings import Settings
now = datetime(2026, 11, 24, 12, tzinfo=UTC)
store = Store.open(Path(sys.argv[1]), Settings(timezone="UTC"), now)
for n in range(100000):
    store.append("review", f"card-{n % 7}#recall", now + timedelta(minutes=n), rating=n % 4 + 1)
    os.write(1, b"x")
"""


def test_kill_9_loses_no_answer(path, settings, now):
    """After kill -9 every answer that was acknowledged is there, and the cards still equal the replay."""
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    acknowledged = len(process.stdout.read(40))
    os.kill(process.pid, signal.SIGKILL)
    acknowledged += len(process.stdout.read())
    process.wait()
    process.stdout.close()
    with Store.open(path, settings, now) as store:
        assert acknowledged <= len(store.events()) <= acknowledged + 1
        assert store.cards() == replay(store.scheduler, store.events())


def test_two_processes_at_once(path, settings, now):
    """Two processes that answer at the same time, also when both make the file, lose and double nothing."""
    code = KILLED.replace("100000", "60").replace("card-{n % 7}", "{sys.argv[2]}-{n % 7}")
    both = [subprocess.Popen([sys.executable, "-c", code, str(path), who], stdout=subprocess.DEVNULL) for who in "ab"]
    assert [process.wait(60) for process in both] == [0, 0]
    with Store.open(path, settings, now) as store:
        assert store.count("events") == 120 and store.count("cards") == 14
        assert store.cards() == replay(store.scheduler, store.events())


def test_one_card_answered_by_two_counts_once(path, settings, now):
    """Of two answers to the same showing of a card, given at the same moment, exactly one is written."""
    Store.open(path, settings, now).close()
    outcomes: list[str] = []
    start = threading.Barrier(2)

    def answer() -> None:
        with Store.open(path, settings, now) as mine:
            start.wait()
            try:
                mine.append("review", "a#recall", now, rating=3, expect=0)
                outcomes.append("written")
            except StoreError:
                outcomes.append("refused")

    threads = [threading.Thread(target=answer) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["refused", "written"]


def test_a_failed_answer_leaves_nothing_behind(store, now, monkeypatch):
    """Where the card cannot be written its event is not either, and the store goes on."""
    monkeypatch.setattr(store, "_put", lambda state: (_ for _ in ()).throw(RuntimeError("power cut")))
    with pytest.raises(RuntimeError):
        store.append("review", "a#recall", now, rating=3)
    monkeypatch.undo()
    assert store.events() == []
    store.append("review", "a#recall", now, rating=3)
    assert store.events()[0].config == store.scheduler.config


# ---------------------------------------------------------------------- what can go wrong outside


def test_a_full_disk_is_said_and_loses_nothing(store, now):
    """A disk without room is a StoreError; the earlier answers stay."""
    store.append("review", "a#recall", now, rating=3)
    pages = store.db.conn.execute("PRAGMA page_count").fetchone()[0]
    store.db.conn.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreError, match="full") as caught:
        for n in range(500):
            store.append("review", f"{n}#recall", now, rating=3)
    assert "room" in caught.value.hint
    assert store.cards() == replay(store.scheduler, store.events())


def test_a_locked_database_is_said(store, path, now):
    """A database held by another program is a StoreError that says so."""
    store.db.conn.execute("PRAGMA busy_timeout = 50")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(StoreError, match="locked") as caught:
            store.append("review", "a#recall", now, rating=3)
    finally:
        other.close()
    assert "Another program" in caught.value.hint
    store.append("review", "a#recall", now, rating=3)


def test_a_read_only_database_is_said(store, now):
    """A database that cannot be written is a StoreError with a hint."""
    store.db.conn.execute("PRAGMA query_only = ON")
    with pytest.raises(StoreError, match="readonly") as caught:
        store.append("review", "a#recall", now, rating=3)
    assert "STUDYAPP_HOME" in caught.value.hint


def test_a_folder_that_cannot_be_made_is_said(tmp_path, settings, now):
    """A data folder that cannot be made is a StoreError that names it."""
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="file") as caught:
        Store.open(tmp_path / "file" / "study.db", settings, now)
    assert "STUDYAPP_HOME" in caught.value.hint


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_read_only_folder_is_said(tmp_path, settings, now):
    """A data folder without leave to write is a StoreError with a hint."""
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(StoreError) as caught:
            Store.open(tmp_path / "study.db", settings, now)
    finally:
        tmp_path.chmod(0o700)
    assert "STUDYAPP_HOME" in caught.value.hint


def filled(path: Path, settings: Settings, now) -> dict[str, CardState]:
    """A database with a few hundred reviews; its cards."""
    with Store.open(path, settings, now) as store:
        for n in range(200):
            store.append("review", f"{n % 40}#recall", now + timedelta(hours=n), rating=n % 4 + 1)
        return store.cards()


@pytest.mark.parametrize("harm", ["header", "middle", "cut"])
def test_damage_is_said_with_the_way_back_and_restore_mends_it(path, settings, now, harm):
    """A damaged file is a StoreError naming it and the restore to run; restore brings back all up to the backup."""
    cards = filled(path, settings, now)
    with Store.open(path, settings, now) as store:
        backup = store.backups()[0]
    raw = bytearray(path.read_bytes())
    if harm == "header":
        raw[:64] = b"\0" * 64
    elif harm == "middle":
        raw[4096:] = os.urandom(len(raw) - 4096)
    else:
        del raw[len(raw) // 2 :]
    path.write_bytes(raw)
    with pytest.raises(StoreError, match="damaged") as caught:
        Store.open(path, settings, now)
    assert str(path) in caught.value.message and f"studyapp restore {backup}" in caught.value.hint
    aside = restore(backup, path)
    assert aside is not None and aside.read_bytes()[4096:] == bytes(raw)[4096:]
    with Store.open(path, settings, now) as store:
        assert store.cards() == cards


def test_restore_refuses_what_is_no_backup(path, settings, now, tmp_path):
    """A missing file, a file that is no database and a database of something else are refused, and nothing is moved."""
    cards = filled(path, settings, now)
    (tmp_path / "notes.txt").write_text("not a database, but long enough to be read as one " * 50)
    Database(tmp_path / "other.db")["things"].insert({"a": 1})
    for name in ("missing.db", "notes.txt", "other.db"):
        with pytest.raises(StoreError):
            restore(tmp_path / name, path)
    with Store.open(path, settings, now) as store:
        assert store.cards() == cards


def test_restore_refuses_while_the_database_is_open(path, settings, now):
    """A database that another studyapp has open is not replaced under it."""
    filled(path, settings, now)
    with Store.open(path, settings, now) as store, pytest.raises(StoreError, match="open in another"):
        store.card("0#recall")
        restore(store.backups()[0], path)


def test_restore_where_nothing_is_left(path, settings, now, tmp_path):
    """A backup is restored into a new folder, and a folder that cannot be made is a StoreError."""
    cards = filled(path, settings, now)
    with Store.open(path, settings, now) as store:
        backup = store.backups()[0]
    moved = tmp_path / "new" / "study.db"
    assert restore(backup, moved) is None
    assert [file.name for file in moved.parent.iterdir()] == ["study.db"]
    with Store.open(moved, settings, now) as store:
        assert store.cards() == cards
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="restored"):
        restore(backup, tmp_path / "file" / "study.db")


def test_the_log_read_again_holds_what_came_since(path, settings, now):
    """The log read a second time also holds what this and another store wrote meanwhile, and changing a copy of it
    changes nothing."""
    with Store.open(path, settings, now) as mine, Store.open(path, settings, now) as theirs:
        mine.append("review", "a#recall", now, rating=3)
        mine.events().clear()
        theirs.append("review", "b#recall", now, rating=3)
        assert [event.card for event in mine.events()] == ["a#recall", "b#recall"] and mine.events() == theirs.events()


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


def test_backups_thin_with_age():
    """Opened daily for two years, a week of daily, eight weekly and a year of monthly backups stay, and all copies."""
    start, files = date(2026, 1, 1), [Path("study-copy.db"), Path("study-before-m002.db")]
    for n in range(730):
        today = start + timedelta(days=n)
        files.append(Path(f"study-{today}.db"))
        files = [file for file in files if file not in set(thinned(files, today, "study"))]
    ages = [(today - date.fromisoformat(file.stem[-10:])).days for file in files[2:]]
    assert sorted(ages)[:7] == list(range(7))
    assert sorted(ages)[:10] == list(range(10)), "the ten newest"
    assert 6 <= sum(10 <= age < 56 for age in ages) <= 8
    assert 9 <= sum(age >= 56 for age in ages) <= 12
    assert files[0].name == "study-copy.db"


def days_back(today: date, count: int) -> list[Path]:
    return [Path(f"study-{today - timedelta(days=back)}.db") for back in range(count)]


@pytest.mark.parametrize("years", [10, -10])
def test_a_clock_that_jumped_costs_no_backup(years):
    """One start with the clock ten years wrong, before or after the true time, removes nothing, nor does the next right one."""
    today = date(2026, 11, 26)
    wrong = date(today.year + years, 11, 26)
    files = [*days_back(today, 30), Path(f"study-{wrong}.db")]
    assert thinned(files, wrong, "study") == []
    assert set(thinned(files, today, "study")) - {files[-1]} == set(thinned(days_back(today, 30), today, "study"))


def test_a_clock_far_from_the_last_event_thins_nothing():
    """Opened on two days of a wrong year with no review between, the second start still removes nothing."""
    today = date(2026, 11, 26)
    files = [*days_back(today, 30), Path("study-2036-11-23.db"), Path("study-2036-11-24.db")]
    assert thinned(files, date(2036, 11, 24), "study", last_event=today) == []
    assert thinned(files, date(2036, 11, 24), "study", last_event=date(2036, 11, 23)) != []


def test_the_newest_backups_stay_whatever_their_age():
    """After a year without studying, ten of the old backups are there once daily ones are made again."""
    old = days_back(date(2025, 11, 1), 30)
    files = [*old, Path("study-2026-11-25.db"), Path("study-2026-11-26.db")]
    assert len([file for file in files if file not in thinned(files, date(2026, 11, 26), "study")]) >= 10


def test_a_copy_made_by_hand_stays_though_its_name_ends_in_a_date():
    """Only the exact name of the daily backup is thinned: «before-exam-2025-10-01» is the learner's own."""
    mine = [Path("study-before-exam-2025-10-01.db"), Path("other-2025-10-01.db"), Path("study-2025-10-01.db.gz")]
    gone = thinned([*mine, *days_back(date(2026, 11, 26), 60)], date(2026, 11, 26), "study")
    assert gone and not set(gone) & set(mine)


def test_a_backup_before_a_migration(path, settings, now, monkeypatch):
    """New tables are made only after a copy of the old ones; a newer database is refused by an older app."""
    from sqlite_utils import Migrations

    cards = filled(path, settings, now)
    newer = Migrations("studyapp")
    newer(name="m001_log_and_cards")(migrations.m001_log_and_cards)

    @newer()
    def m002_more(db: Database) -> None:
        db["more"].create({"id": int})

    monkeypatch.setattr(migrations, "migrations", newer)
    monkeypatch.setattr(store_module, "MIGRATIONS", ("m001_log_and_cards", "m002_more"))
    with Store.open(path, settings, now) as store:
        assert any(file.name == "study-before-m002_more.db" for file in store.backups())
        assert store.cards() == cards and store.db["more"].exists()
    monkeypatch.undo()
    with pytest.raises(StoreError, match="newer"):
        Store.open(path, settings, now)


def test_a_large_file_is_checked_once_a_day(path, settings, now, monkeypatch):
    """A small file is checked at every opening, a large one only before the day's backup is made."""
    filled(path, settings, now)
    checked = []
    monkeypatch.setattr(store_module, "sound", lambda connection, file: checked.append(file))

    def openings(day):
        checked.clear()
        for _ in range(2):
            Store.open(path, settings, now + timedelta(days=day)).close()
        return len(checked)

    assert openings(1) == 2
    monkeypatch.setattr(store_module, "ALWAYS_CHECKED", 0)
    assert openings(1) == 0 and openings(2) == 1


def test_the_store_knows_its_migrations_by_name():
    """The names that an up-to-date file is told by are those of the tables."""
    from sqlite_utils import Database

    pending = migrations.migrations.pending(Database(memory=True))
    assert tuple(migration.name for migration in pending) == store_module.MIGRATIONS


def test_ratings_are_the_four(store, now):
    """Each of the four ratings can be written, as number or name."""
    for rating in Rating:
        store.append("review", f"{rating.name}#recall", now, rating=rating)
    assert [event.rating for event in store.events()] == [1, 2, 3, 4]
