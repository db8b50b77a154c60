"""Which files a bank is made of, and the name of a personal bank: found once, for the parser and for its cache."""

import contextlib
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from studyapp.errors import BankError

SHARED = ("topics", "papers", "terms", "sources", "models")
"""Stems of the files that all questions of a bank share."""
SUFFIXES = (".yaml", ".yml")
FOREIGN = frozenset({"mkdocs", "_config", "docker-compose", "compose", "environment", "codecov", "readthedocs"})
"""Stems of YAML that other tools keep in a folder of notes."""
MOST_ENTRIES = 20_000


def personal_banks(folders: Sequence[Path]) -> dict[str, Path]:
    """The folders of personal banks by name: that of the folder, with hyphens for what an id cannot hold.

    A folder given twice counts once.

    Raises:
        BankError: where one is no folder, has no letter or digit in its name, or has the name of another.
    """
    named: dict[str, Path] = {}
    for folder in dict.fromkeys(each.resolve() for each in folders):
        if not folder.is_dir():
            raise BankError("{folder} is not a folder of questions", "mend the path after --bank", folder=folder)
        name = re.sub(r"[^\w-]+", "-", folder.name).strip("-_")
        if not name:
            raise BankError(
                "{folder}: its name cannot begin an id",
                "give the folder a name of letters or digits",
                folder=folder,
            )
        if name in named:
            raise BankError(
                "{folder} and {other} are both called «{name}»",
                "rename one of the two folders",
                folder=folder, other=named[name], name=name,
            )
        named[name] = folder
    return named


def shared_file(folder: Path, stem: str, personal: bool) -> Path:
    """The path of a shared file, whether or not it exists; a personal bank may end it in .yml."""
    candidates = [folder / f"{stem}{suffix}" for suffix in (SUFFIXES if personal else SUFFIXES[:1])]
    return next((path for path in candidates if path.exists()), candidates[0])


def bank_files(folder: Path, personal: bool) -> list[str]:
    """Every file that a bank is read from, as text: to make hundreds of paths takes longer than to find the files.

    Raises:
        BankError: as `question_files`.
    """
    shared = [shared_file(folder, stem, personal) for stem in SHARED]
    questions = list(map(str, question_files(folder, True))) if personal else shipped_files(folder)
    return [*(str(path) for path in shared if path.exists()), *questions]


def question_files(folder: Path, personal: bool) -> list[Path]:
    """Every file that should hold a question, in order.

    In the bank that ships that is `<topic>/<id>.yaml`. In a personal bank it is any .yaml or .yml file at any depth,
    but for names that begin with a dot and the configuration of well-known tools.

    Raises:
        BankError: where a personal bank is a folder of so many files that it cannot be meant.
    """
    if not personal:
        return list(map(Path, shipped_files(folder)))
    return sorted(
        path
        for path in _walk(folder)
        if path.suffix.lower() in SUFFIXES
        and not (path.parent == folder and path.stem.lower() in (*SHARED, *FOREIGN))
    )


def shipped_files(folder: Path) -> list[str]:
    """`<topic>/<id>.yaml` in a folder, in order."""
    found: list[str] = []
    with contextlib.suppress(OSError):
        for topic in sorted(entry.path for entry in os.scandir(folder) if entry.is_dir()):
            with contextlib.suppress(OSError):
                found += sorted(entry.path for entry in os.scandir(topic) if entry.name.endswith(".yaml"))
    return found


def _walk(folder: Path) -> Iterator[Path]:
    """Every file below `folder` whose name does not begin with a dot; a link is followed, though not in a circle."""
    waiting, seen, entries = [folder], {folder.resolve()}, 0
    while waiting:
        here = waiting.pop()
        try:
            found = [entry for entry in os.scandir(here) if not entry.name.startswith(".")]
        except OSError:
            continue
        entries += len(found)
        if entries > MOST_ENTRIES:
            raise BankError(
                "{folder} holds more than {most} files",
                "name the folder that holds the questions alone",
                folder=folder, most=MOST_ENTRIES,
            )
        for entry in found:
            path = Path(entry.path)
            if not entry.is_dir():
                yield path
            elif path.suffix.lower() in SUFFIXES:
                yield path  # called like a question: said to be no file
            elif (real := path.resolve()) not in seen:
                seen.add(real)
                waiting.append(path)
