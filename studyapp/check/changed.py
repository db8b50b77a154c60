"""Whose a finding is: yours in a personal bank, in a file that git calls changed, or where it fails the check."""

import subprocess
from collections.abc import Iterable
from pathlib import Path

from studyapp.bank.model import Bank, Finding

SECONDS = 5


def changed_files(folders: Iterable[Path]) -> set[Path]:
    """The files below `folders` that differ from the last commit or are new; none where there is no git or no checkout."""
    found: set[Path] = set()
    for folder in folders:
        try:
            top = _git(folder, "rev-parse", "--show-toplevel").strip()
            status = _git(folder, "status", "--porcelain", "-z", "--untracked-files=all", "--no-renames", "--", ".")
        except (OSError, subprocess.SubprocessError):
            continue
        found |= {Path(top, entry[3:]).resolve() for entry in status.split("\0") if len(entry) > 3}
    return found


def yours(findings: Iterable[Finding], bank: Bank, changed: set[Path]) -> set[Finding]:
    """Those that fail the check, stand in a personal bank, or in a changed file. What is planned is nobody's."""
    own = {q.path.resolve() for q in bank.questions.values() if ":" in q.id}
    own |= {path.resolve() for path in bank.unread.values()}
    return {f for f in findings if not f.warning or (f.group != "backlog" and f.path.resolve() in own | changed)}


def _git(folder: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *words],
        capture_output=True, text=True, check=True, timeout=SECONDS, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    return done.stdout
