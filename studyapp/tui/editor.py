"""A file in the learner's own editor, the app put aside meanwhile."""

import shlex
import subprocess
from pathlib import Path
from typing import Any

from textual.app import App, SuspendNotSupported

from studyapp.errors import StudyError
from studyapp.paths import editor_command


def edit(app: App[Any], path: Path) -> bool:
    """Open a file in $VISUAL or $EDITOR, at worst in vi; whether it was changed.

    Raises:
        StudyError: where there is no such editor, it fails, or the app cannot be put aside.
    """
    command = editor_command()
    before = path.stat().st_mtime_ns if path.exists() else 0
    try:
        with app.suspend():
            done = subprocess.run([*shlex.split(command), str(path)], check=False)
    except SuspendNotSupported as error:
        raise StudyError("{path} cannot be opened here", "open it in an editor of your own", path=path) from error
    except (OSError, ValueError) as error:
        raise StudyError(
            "the editor {command!r} cannot be started",
            "set EDITOR; the file is {path}",
            command=command, path=path,
        ) from error
    if done.returncode:
        raise StudyError(
            "the editor {command!r} left with exit code {code}",
            "the file is {path}",
            command=command, code=done.returncode, path=path,
        )
    return path.exists() and path.stat().st_mtime_ns != before
