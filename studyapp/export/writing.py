"""Writing what leaves the house: whole or not at all, in no folder that is not there, and to standard output where asked."""

import sys
from contextlib import AbstractContextManager
from pathlib import Path

from studyapp import files
from studyapp.errors import ExportError

STDOUT = Path("-")
HINT = "choose another place with --output"


def atomic_write(path: Path) -> AbstractContextManager[Path]:
    """A temporary file that takes the place of `path` when all went well.

    Raises:
        ExportError: where it cannot be written, or its folder is not there.
    """

    def failure(error: OSError) -> ExportError:
        return ExportError("cannot write {path}: {reason}", HINT, path=path, reason=error.strerror or error)

    return files.atomic_write(path, failure, parents=False)


def write_text(path: Path, content: str) -> None:
    """`content` as UTF-8 with plain line ends; to standard output where `path` is "-"."""
    if path == STDOUT:
        sys.stdout.flush()
        sys.stdout.buffer.write(content.encode())
        sys.stdout.buffer.flush()
    else:
        write_bytes(path, content.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """`content`, whole or not at all."""
    with atomic_write(path) as temporary:
        temporary.write_bytes(content)


def keep(path: Path, content: bytes) -> None:
    """`content` for the next export to find; the folder is the app's own and is made.

    Raises:
        ExportError: where it cannot be kept.
    """

    def failure(error: OSError) -> ExportError:
        return ExportError(
            "cannot keep {path}: {reason}",
            "is the folder yours, and is there room?",
            path=path, reason=error.strerror or error,
        )

    with files.atomic_write(path, failure) as temporary:
        temporary.write_bytes(content)
