"""Files that are there whole or not at all."""

from pathlib import Path

import pytest

from studyapp.errors import ExportError, StudyError
from studyapp.files import atomic_write


def failure(error: OSError) -> StudyError:
    """What a caller makes of it."""
    return ExportError(f"no: {error.strerror}")


def test_the_old_file_stands_until_the_new_one_is_whole(tmp_path: Path) -> None:
    """Who reads meanwhile sees the old content to its end, and nobody sees half of the new."""
    path = tmp_path / "new folder" / "a.txt"
    with atomic_write(path, failure) as part:
        part.write_text("old")
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
    """A file where the folder should be, and a folder where the file should be."""
    (tmp_path / "file").touch()
    (tmp_path / "folder" / "x").mkdir(parents=True)
    for path in (tmp_path / "file" / "a.txt", tmp_path / "folder"):
        with pytest.raises(ExportError, match=r"^no: "), atomic_write(path, failure):
            pass
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]
