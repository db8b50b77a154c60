"""Files that are there whole or not at all, and are never put where something else stands."""

import os
import stat
import threading
from pathlib import Path

import pytest

from studyapp.errors import ExportError, StudyError
from studyapp.files import PART_SECONDS, RESERVED, atomic_write, spare


def failure(error: OSError) -> StudyError:
    """What a caller makes of it."""
    return ExportError(f"no: {error.strerror}")


def write(path: Path, text: str = "new") -> None:
    """Write in the way that all of the app does."""
    with atomic_write(path, failure) as part:
        part.write_text(text)


def test_the_old_file_stands_until_the_new_one_is_whole(tmp_path: Path) -> None:
    """Who reads meanwhile sees the old content to its end, and nobody sees half of the new."""
    path = tmp_path / "new folder" / "a.txt"
    write(path, "old")
    with path.open() as reader:
        with atomic_write(path, failure) as part:
            part.write_text("new and longer")
            assert path.read_text() == "old"
        assert reader.read() == "old"
    assert path.read_text() == "new and longer"
    assert list(path.parent.iterdir()) == [path]


def test_what_breaks_off_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    """A mistake while writing is the caller's own and costs nothing."""
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), atomic_write(path, failure) as part:
        part.write_text("half")
        raise ZeroDivisionError
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_a_place_that_cannot_be_written_is_told_in_the_callers_words(tmp_path: Path) -> None:
    """A file where the folder should be, a folder where the file should be, and links that run in a circle."""
    (tmp_path / "file").touch()
    (tmp_path / "folder" / "x").mkdir(parents=True)
    (tmp_path / "loop").symlink_to("loop")
    for path in (tmp_path / "file" / "a.txt", tmp_path / "folder", tmp_path / "loop"):
        with pytest.raises(ExportError, match=r"^no: "):
            write(path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder", "loop"]


def test_a_folder_is_made_only_where_that_is_wanted(tmp_path: Path) -> None:
    """Without `parents` a missing folder is named and not made."""
    with (
        pytest.raises(ExportError, match=f"no folder {tmp_path / 'nope'}"),
        atomic_write(tmp_path / "nope" / "a.txt", failure, parents=False),
    ):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("there", [True, False])
def test_a_link_is_written_through(tmp_path: Path, there: bool) -> None:
    """A link stays a link, and what it points to is written, whether or not it was there."""
    (tmp_path / "real").mkdir()
    target, link = tmp_path / "real" / "a.txt", tmp_path / "link.txt"
    if there:
        target.write_text("old")
    link.symlink_to(target)
    write(link)
    assert link.is_symlink() and target.read_text() == "new"
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["a.txt", "link.txt", "real"]


def test_a_fifo_is_written_into_and_stays_one(tmp_path: Path) -> None:
    """Who reads from it gets the content, and it is not replaced by a file."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    heard: list[str] = []
    reader = threading.Thread(target=lambda: heard.append(pipe.read_text()), daemon=True)
    reader.start()
    write(pipe, "through")
    reader.join(10)
    assert heard == ["through"] and stat.S_ISFIFO(pipe.stat().st_mode)
    assert list(tmp_path.iterdir()) == [pipe]


def test_a_device_is_written_into_and_stays_one() -> None:
    """A terminal, as /dev/stdout is, gets the content; no folder of devices gets a file."""
    ours, theirs = os.openpty()
    try:
        terminal = Path(os.ttyname(theirs))
        write(terminal, "shown")
        assert os.read(ours, 100) == b"shown"
        assert stat.S_ISCHR(terminal.stat().st_mode)
    finally:
        os.close(ours)
        os.close(theirs)


def test_a_file_keeps_its_mode(tmp_path: Path) -> None:
    """What was for its owner alone stays so; a new file follows the umask."""
    path = tmp_path / "a.txt"
    write(path)
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask
    path.chmod(0o600)
    write(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_write_protected_file_is_not_replaced(tmp_path: Path) -> None:
    """Its mode says that it is to stay, and the error says its mode; so too for who may do anything."""
    path = tmp_path / "a.txt"
    path.write_text("old")
    path.chmod(0o400)
    with pytest.raises(ExportError, match=r"write-protected \(mode 400\)"):
        write(path)
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_parts_that_killed_processes_left_are_cleared(tmp_path: Path) -> None:
    """Those of this file that are older than an hour go; younger ones, and other files, stay."""
    old, young = tmp_path / ".a.txt.abcd_123", tmp_path / ".a.txt.abcd_124"
    others = [tmp_path / ".b.txt.abcd_123", tmp_path / ".a.txt.backup", tmp_path / ".a.txt.abcd_12345", tmp_path / "xa.txt.abcd_123"]
    for path in (old, young, *others):
        path.touch()
        if path is not young:
            past = path.stat().st_mtime - PART_SECONDS - 60
            os.utime(path, (past, past))
    write(tmp_path / "a.txt")
    assert set(tmp_path.iterdir()) == {tmp_path / "a.txt", young, *others}


def test_no_export_is_written_over_the_learners_data(tmp_path: Path) -> None:
    """Neither a file that is there, nor a name that the app keeps for itself, directly, by a link or by a hard link."""
    home = tmp_path / "home"
    (home / "backups").mkdir(parents=True)
    kept = [home / "backups" / "reviews-2026-11-20.db", home / "notes.txt", home / "reviews.db"]
    for path in kept:
        path.touch()
    (tmp_path / "link.csv").symlink_to(home / "settings.toml")
    os.link(home / "reviews.db", tmp_path / "hard.db")
    for path in (*kept, *(home / name for name in RESERVED), tmp_path / "link.csv", tmp_path / "hard.db", home / "backups"):
        with pytest.raises(StudyError, match="not written over"):
            spare(home, path)
    for free in (home / "new.csv", tmp_path / "reviews.db", tmp_path / "settings.toml", home / "backups" / "mine.db"):
        spare(home, free)
