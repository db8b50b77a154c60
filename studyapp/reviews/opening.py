"""Opening a database of reviews: is it there, is it ours, is it sound, is it up to date; and the day's backup."""

import contextlib
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

from studyapp.errors import DamagedError, Message, StoreError
from studyapp.reviews.backup import StoppedError, copy, free, thinned
from studyapp.reviews.sqlite_errors import ELSEWHERE, ROOM, backups_of, command, guard, tables_of, way_back

BUSY_SECONDS = 5.0
ALWAYS_CHECKED = 16 * 2**20
"""Bytes up to which a file is checked at every opening (a tenth of a second); a larger one once a day, before its backup."""
MIGRATIONS = ("m001_log_and_cards", "m002_events_by_uid", "m003_index_of_annotations")
"""Those of `migrations`, by name: a file that has them all needs no look at `migrations`."""
OLDEST_SQLITE = (3, 37)
"""The first with STRICT tables, whose types its own check sees to."""


def open_database(path: Path, *, anew: bool = False) -> tuple[sqlite3.Connection, StoreError | None]:
    """A connection to the file, made where there is none; where it cannot be written but read, also why.

    Raises:
        StoreError: where the file is lost, of something else, of a newer studyapp, or cannot be made.
        DamagedError: where SQLite's own check finds damage.
    """
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise StoreError(
            "SQLite {version} is too old",
            "Update Python: SQLite 3.37 or newer comes with it.",
            version=sqlite3.sqlite_version,
        )
    if not anew:
        refuse_if_lost(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError("{folder}: cannot be made: {reason}", ELSEWHERE, folder=path.parent, reason=error.strerror) from error
    try:
        return _opened(path, connect), None
    except StoreError as error:
        if error.hint not in (ELSEWHERE, ROOM) or not path.exists() or not path.stat().st_size:
            raise
        return _opened(path, connect_reading), error


def _opened(path: Path, how: Callable[[Path], sqlite3.Connection]) -> sqlite3.Connection:
    with guard(path):
        connection = how(path)
    try:
        with guard(path):
            if path.stat().st_size <= ALWAYS_CHECKED:
                check(connection, path)
            refuse_if_foreign(connection, path)
            migrate(connection, path)
            if not is_file(connection):
                connection.execute("PRAGMA query_only = ON")
    except BaseException:
        connection.close()
        raise
    return connection


def connect(path: Path) -> sqlite3.Connection:
    """Open the file, or make it, so that what is committed survives a crash of the machine."""
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        return with_power(connection)
    except BaseException:
        connection.close()
        raise


def connect_reading(path: Path) -> sqlite3.Connection:
    """A file that cannot be written, read into memory as it is now; nothing can be written to it there either."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    try:
        with readable(path) as whole:
            whole.backup(connection)
        return with_power(connection)
    except BaseException:
        connection.close()
        raise


@contextlib.contextmanager
def readable(path: Path) -> Iterator[sqlite3.Connection]:
    """A file for reading, wherever it lies and whoever may write there.

    In a folder that cannot be written, or on a full disk, SQLite refuses a file in WAL mode. Where no log of its own lies beside the file,
    it is opened as one that never changes; else both are copied to a folder that can be written.
    """
    with contextlib.ExitStack() as stack:
        uri = f"{path.resolve().as_uri()}?mode=ro"
        try:
            connection = stack.enter_context(contextlib.closing(sqlite3.connect(uri, uri=True)))
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR):
                raise
            wal = path.with_name(path.name + "-wal")
            if wal.exists() and wal.stat().st_size:
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
                for source in (path, wal):
                    shutil.copyfile(source, folder / source.name)
                opened = sqlite3.connect(folder / path.name)
            else:
                opened = sqlite3.connect(uri.replace("mode=ro", "immutable=1"), uri=True)
            connection = stack.enter_context(contextlib.closing(opened))
        yield connection


def with_power(connection: sqlite3.Connection) -> sqlite3.Connection:
    """The connection, with `power` also where SQLite was built without its functions of mathematics."""
    try:
        connection.execute("SELECT power(2.0, 3.0)")
    except sqlite3.OperationalError:
        connection.create_function("power", 2, pow, deterministic=True)
    return connection


def check(connection: sqlite3.Connection, path: Path) -> None:
    """Raise DamagedError where SQLite's own check finds damage."""
    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise DamagedError("{path}: the database is damaged: {found}", way_back(path), path=path, found=found)


def refuse_if_lost(path: Path) -> None:
    """Raise where there is no database, or an empty file, beside what is left of one: it is not begun anew unasked."""
    if path.exists() and path.stat().st_size:
        return
    left = backups_of(path) + put_aside(path)
    if not left:
        return
    raise StoreError(
        "{path}: is empty, but there are {count} copies of it" if path.exists() else "{path}: is gone, but there are {count} copies of it",
        "Run: {restore}\n  To begin with no reviews: {anew}",
        path=path,
        count=len(left),
        restore=command("restore", str(left[0])),
        anew=command("begin-anew"),
    )


def put_aside(path: Path) -> list[Path]:
    """The databases that a restore, or one that was killed, left beside this one, newest first."""
    found = [file for file in path.parent.glob(f"{path.name}.before-restore*") if not file.name.endswith(("-wal", "-shm"))]
    found += [file for file in path.parent.glob(f".{path.name}.*") if file.stat().st_size]
    return sorted(found, key=lambda file: file.stat().st_mtime, reverse=True)


def refuse_if_foreign(connection: sqlite3.Connection, path: Path) -> None:
    """Raise where a file holds tables, and they are not ours."""
    tables = tables_of(connection)
    if tables and not is_ours(tables, connection):
        raise StoreError(
            "{path}: is a database, but none of reviews",
            "Move it away, or name another folder with STUDYAPP_HOME.",
            path=path,
        )


def is_ours(tables: dict[str, set[str]], connection: sqlite3.Connection) -> bool:
    """Whether a file with these tables was made by studyapp."""
    ours = {"seq", "kind", "card", "at", "day", "rating"} <= tables.get("events", set())
    return ours and {"card", "state", "due_day"} <= tables.get("cards", set()) and bool(applied_migrations(connection))


def applied_migrations(connection: sqlite3.Connection) -> set[str]:
    """The migrations that a file has been through, none for a new one."""
    if not {"migration_set", "name"} <= tables_of(connection).get("_sqlite_migrations", set()):
        return set()
    return {name for (name,) in connection.execute("SELECT name FROM _sqlite_migrations WHERE migration_set = 'studyapp'")}


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the tables up to date, one process at a time, with a backup first where there is something to lose."""
    known, applied = set(MIGRATIONS), applied_migrations(connection)
    if applied - known:
        raise StoreError("{path}: was written by a newer studyapp", "Update studyapp.", path=path)
    if known == applied:
        return
    if applied and is_file(connection):
        copy(connection, free(path.parent / "backups" / f"{path.stem}-before-{min(known - applied)}.db"))
    from sqlite_utils import Database

    from studyapp.reviews.migrations import migrations

    connection.execute("BEGIN IMMEDIATE")
    try:
        migrations.apply(Database(connection))
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def is_file(connection: sqlite3.Connection) -> bool:
    """Whether a connection is to a file and not to memory."""
    return bool(connection.execute("PRAGMA database_list").fetchone()[2])


def maintenance(
    path: Path, now: datetime, connection: sqlite3.Connection, stopped: Callable[[], bool] = lambda: False
) -> list[str]:
    """Check a large file and make the day's backup, thinned with age; what went wrong, for the learner.

    A backup that fails is told and keeps nobody from studying; one that is `stopped` leaves nothing behind.

    Raises:
        DamagedError: where SQLite's own check finds damage.
    """
    dest = path.parent / "backups" / f"{path.stem}-{now:%Y-%m-%d}.db"
    if dest.exists():
        return []
    with guard(path):
        newest = connection.execute("SELECT at FROM events ORDER BY seq DESC LIMIT 1").fetchone()
        if newest is None:
            return []
        if stopped():
            return []
        if path.stat().st_size > ALWAYS_CHECKED:
            check(connection, path)
    try:
        copy(connection, dest, stopped)
        for old in thinned(backups_of(path), now.date(), path.stem, datetime.fromisoformat(newest[0]).date()):
            old.unlink(missing_ok=True)
    except StoppedError:
        return []
    except (StoreError, OSError) as error:
        return [Message("No backup today: {error}", error=getattr(error, "message", str(error)))]
    return []
