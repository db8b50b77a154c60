"""Files that are there whole or not at all, and are never put where something else stands."""

import errno
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from studyapp.errors import Message, StudyError

PART_SECONDS = 3600
"""A part file older than this was left by a process that was killed: no writing takes an hour."""

RESERVED = frozenset({"settings.toml", "edits.json", "reviews.db", "reviews.db-wal", "reviews.db-shm", "reviews.db-journal"})


@contextmanager
def atomic_write(path: Path, failure: Callable[[OSError], StudyError], *, parents: bool = True) -> Iterator[Path]:
    """An empty file that takes the place of `path` when all went well, and vanishes when not.

    A link is followed and what it points to is replaced. A device, a FIFO or a socket is written into and stays what it
    is. A file keeps its mode, and one without a write bit is not replaced. Without `parents` a missing folder is an error
    and is not made.

    Raises:
        What `failure` makes of it, where the folder or the file cannot be written.
    """
    try:
        target = _resolved(path)
        existing = _stat(target)
        if existing is not None and stat.S_ISDIR(existing.st_mode):
            raise IsADirectoryError(errno.EISDIR, "is a folder")
        if existing is not None and not stat.S_ISREG(existing.st_mode):
            with tempfile.TemporaryDirectory() as folder:
                temporary = Path(folder) / target.name
                temporary.touch()
                yield temporary
                with temporary.open("rb") as source, target.open("wb", buffering=0) as sink:
                    shutil.copyfileobj(source, sink)
            return
        if existing is not None and not existing.st_mode & 0o222:
            raise PermissionError(errno.EACCES, Message("is write-protected (mode {mode})", mode=f"{stat.S_IMODE(existing.st_mode):03o}"))
        if parents:
            target.parent.mkdir(parents=True, exist_ok=True)
        elif not target.parent.is_dir():
            raise FileNotFoundError(errno.ENOENT, Message("there is no folder {folder}", folder=target.parent))
        _clear_parts(target)
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            temporary.chmod(stat.S_IMODE(existing.st_mode) if existing is not None else 0o666 & ~_umask())
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise failure(error) from error


def spare(home: Path, path: Path) -> None:
    """Refuse a place for an export or a copy that is a file of the learner's data folder `home`, there already or not.

    A new name in the folder is free to take.

    Raises:
        StudyError: where it is taken or kept for the app.
    """
    try:
        target, folder = _resolved(path), _resolved(home)
    except OSError:
        return  # atomic_write tells of a circle of links
    taken = target.is_relative_to(folder) and (target.exists() or target.name in RESERVED)
    if taken or _same_file(target, folder):
        raise StudyError(
            "{path}: belongs to the app's own data and is not written over",
            "name another file with -o",
            path=path,
        )


def _same_file(target: Path, folder: Path) -> bool:
    """Whether `target` is, by a hard link, one of the app's own files."""
    for name in RESERVED:
        with suppress(OSError):
            if target.samefile(folder / name):
                return True
    return False


def _resolved(path: Path) -> Path:
    try:
        return path.resolve()
    except RuntimeError as error:  # Python 3.11 and 3.12 say so of a circle of links
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP)) from error


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _clear_parts(target: Path) -> None:
    """Remove what killed processes left of earlier writings to `target`."""
    part = re.compile(rf"\.{re.escape(target.name)}\.[a-z0-9_]{{8}}")  # the names that mkstemp gives
    with suppress(OSError):
        for entry in os.scandir(target.parent):
            if part.fullmatch(entry.name) and time.time() - entry.stat(follow_symlinks=False).st_mtime > PART_SECONDS:
                with suppress(OSError):
                    Path(entry.path).unlink()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
