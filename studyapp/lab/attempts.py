"""The functions that a learner writes: a file for each in the data folder, and beside it what was judged of it before."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from studyapp.bank.refs import demo_and_claim
from studyapp.errors import DemoError
from studyapp.files import atomic_write

KEPT = 100
"""As many judged versions of a function are kept; of more than that the oldest go."""


@dataclass(frozen=True)
class Attempt:
    """A version that was judged: when (UTC), what stood in the file, and how each claim came out with it.

    A claim's state is "held", "broken", "crashed" (it raised or was stopped), "skipped" (the machine lacks what it needs) or
    "unrun" (another one ended the run before it).
    """

    at: datetime
    text: str
    claims: Mapping[str, str] = field(default_factory=dict)

    @property
    def held(self) -> bool:
        """Whether every claim held."""
        return bool(self.claims) and set(self.claims.values()) == {"held"}


class AttemptStore:
    """What was written of each function, "topic/demo.function", under one folder.

    `topic/demo.function.py` is the learner's file, which is made once and never written over. Beside it
    `demo.function.history.jsonl` holds a judged version a line, oldest first: one that differs from the last is added, and of
    more than `KEPT` the oldest are dropped.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, ref: str) -> Path:
        """The learner's file of a function, there or not."""
        return self._beside(ref, ".py")

    def exists(self, ref: str) -> bool:
        """Whether a file was begun."""
        return self.path(ref).exists()

    def begin(self, ref: str, text: str) -> Path:
        """The learner's file, made with `text` where there is none yet.

        Raises:
            DemoError: where it cannot be written.
        """
        path = self.path(ref)
        if not path.exists():
            self._write(path, text)
        return path

    def renew(self, ref: str, text: str, at: datetime) -> None:
        """Put `text` in the place of what stands in the learner's file, which is kept among the versions first.

        Raises:
            DemoError: where it cannot be read or written; the file is then as it was.
        """
        before, last = self.read(ref), self.last(ref)
        if before and (last is None or last.text != before):
            self.keep(ref, Attempt(at, before))
        self._write(self.path(ref), text)

    def read(self, ref: str) -> str:
        """What stands in the learner's file; nothing where there is none.

        Raises:
            DemoError: where it cannot be read.
        """
        return self._read(self.path(ref)).replace("\r\n", "\n")

    def history(self, ref: str) -> list[Attempt]:
        """The versions that were judged, oldest first. A line that cannot be read is left out here, and stays in the file.

        Raises:
            DemoError: where the file cannot be read.
        """
        return [attempt for line in self._lines(ref) if (attempt := _attempt(line))]

    def last(self, ref: str) -> Attempt | None:
        """The version that was judged last."""
        return next(reversed(self.history(ref)), None)

    def keep(self, ref: str, attempt: Attempt) -> None:
        """Add a judged version; where it is the same text as the last, how that came out is put right.

        Raises:
            DemoError: where it cannot be written.
        """
        lines = self._lines(ref)
        before = _attempt(lines[-1]) if lines else None
        if before is not None and before.text == attempt.text:
            if before.claims == attempt.claims:
                return
            lines = lines[:-1]
        made = {"at": attempt.at.astimezone(UTC).isoformat(timespec="seconds"), "claims": dict(attempt.claims), "text": attempt.text}
        lines.append(json.dumps(made, ensure_ascii=False))
        self._write(self._beside(ref, ".history.jsonl"), "".join(f"{line}\n" for line in lines[-KEPT:]))

    def _beside(self, ref: str, ending: str) -> Path:
        demo, function = demo_and_claim(ref)
        return self.folder / f"{demo}.{function}{ending}"

    def _lines(self, ref: str) -> list[str]:
        return self._read(self._beside(ref, ".history.jsonl")).split("\n")[:-1]  # not splitlines: a text may hold U+2028

    def _read(self, path: Path) -> str:
        try:
            return path.read_text("utf-8", errors="replace")
        except FileNotFoundError:
            return ""
        except OSError as error:
            raise DemoError("cannot read {path}: {reason}", path=path, reason=error.strerror) from error

    def _write(self, path: Path, text: str) -> None:
        with atomic_write(path, _unwritable(path)) as part:
            part.write_text(text, "utf-8", errors="replace")


def _attempt(line: str) -> Attempt | None:
    try:
        data = json.loads(line)
        claims = {str(name): str(state) for name, state in data["claims"].items()}
        return Attempt(datetime.fromisoformat(data["at"]), str(data["text"]), claims)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _unwritable(path: Path) -> Callable[[OSError], DemoError]:
    def failure(error: OSError) -> DemoError:
        return DemoError("cannot write {path}: {reason}", path=path, reason=error.strerror)

    return failure


Stamp = tuple[int, int, int] | None


def stamp(path: Path) -> Stamp:
    """What tells one saving of a file from the next: time, size and inode; None where there is none just now."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
