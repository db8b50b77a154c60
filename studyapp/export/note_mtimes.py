"""When each exported question last changed: the table that lets a re-export update what changed and nothing else.

Anki takes a note from a package only where its edit time is newer, in whole seconds. The table keeps, for each question,
a hash of what was exported and the time at which that hash first appeared.
"""

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TypedDict

from studyapp.errors import ExportError
from studyapp.export.writing import keep


class Edit(TypedDict):
    """One row: what was exported, and since when."""

    hash: str
    edited_at: int


class NoteTimes:
    """The table at `path`; `path` None keeps it in memory only."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._rows: dict[str, Edit] = {}
        if path is not None and path.exists():
            try:
                self._rows = {
                    str(k): Edit(hash=str(v["hash"]), edited_at=int(v["edited_at"]))
                    for k, v in json.loads(path.read_text(encoding="utf-8")).items()
                }
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                raise ExportError(
                    "{path} is damaged", "remove it; the next import then updates every note", path=path
                ) from error

    def time(self, question: str, fields: Sequence[str], now: datetime) -> int:
        """The edit time of `question` with these `fields`: the old one where they are the same, else a later one."""
        digest = hashlib.sha256("\x1f".join(fields).encode()).hexdigest()
        row = self._rows.get(question)
        if row is None or row["hash"] != digest:
            row = Edit(hash=digest, edited_at=max(int(now.timestamp()), row["edited_at"] + 1 if row else 0))
            self._rows[question] = row
        return row["edited_at"]

    def save(self) -> None:
        """Keep the table."""
        if self._path is not None:
            keep(self._path, (json.dumps(self._rows, indent=0, sort_keys=True) + "\n").encode())
