"""Files that are there whole or not at all."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from studyapp.errors import StudyError


@contextmanager
def atomic_write(path: Path, failure: Callable[[OSError], StudyError]) -> Iterator[Path]:
    """An empty file beside `path` that takes its place when all went well, and vanishes when not.

    Raises:
        What `failure` makes of it, where the folder or the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            mask = os.umask(0)
            os.umask(mask)
            temporary.chmod(0o666 & ~mask)  # mkstemp's own is for its owner alone
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise failure(error) from error
