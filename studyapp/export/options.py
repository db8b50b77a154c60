"""What all the exports share: which questions, what the demos recorded, and writing a file whole or not at all."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studyapp import files
from studyapp.bank.model import LANGUAGES, Bank, Question, Support
from studyapp.bank.refs import demo_and_claim
from studyapp.errors import ExportError
from studyapp.i18n import Translations
from studyapp.lab.recordings import RecordedClaim, RecordedDemo, Recordings

if TYPE_CHECKING:
    from studyapp.export.chart_cache import Pictures

MARKS = {"proof": "✓", "toy": "≈", "cite": "·", "none": "–"}


@dataclass(frozen=True)
class ExportOptions:
    """What is wanted of an export and what it may use; a form takes what it has a place for.

    Attributes:
        topics: all where that is empty.
        store: the learner's reviews, where progress is to go along.
        edits_path: the table of when each note changed; kept in memory without it.
        pictures: the charts, kept from one export to the next.
    """

    languages: Sequence[str]
    words: Translations
    now: datetime
    topics: Sequence[str] = ()
    store: Any = None
    edits_path: Path | None = None
    pictures: "Pictures | None" = None


Exporter = Callable[[Bank, Recordings | None, Path, ExportOptions], int]


def select_questions(bank: Bank, topics: Sequence[str] | None, languages: Sequence[str]) -> list[Question]:
    """The questions of `topics` (all where that is empty) in learning order, without those that a newer one supersedes.

    Raises:
        ExportError: for a topic or language that does not exist, or where nothing is left.
    """
    known = [t.id for t in bank.topics] or sorted({q.topic for q in bank.questions.values()})
    if unknown := [t for t in topics or () if t not in known]:
        raise ExportError(f"no topic is called {', '.join(unknown)}", hint=f"topics: {', '.join(known)}")
    if not languages or (odd := [x for x in languages if x not in LANGUAGES]):
        raise ExportError(
            f"cannot export in {', '.join(odd) if languages else 'no language'}", hint="languages: en, zh"
        )
    retired = {old for q in bank.questions.values() for old in q.supersedes}
    found = [q for q in bank.in_order() if (not topics or q.topic in topics) and q.id not in retired]
    if not found:
        raise ExportError("there is no question to export", hint="choose other topics")
    return found


def titles(bank: Bank, language: str) -> dict[str, str]:
    """Topic ids and their titles in `language`."""
    return {t.id: t.title[language] for t in bank.topics}


def recorded(recordings: Recordings | None, reference: str) -> tuple[RecordedDemo, RecordedClaim] | None:
    """The best record of the claim `topic/demo.claim`, with the run it belongs to; None where there is none."""
    claim = recordings.best(reference) if recordings is not None else None
    run = recordings.get(demo_and_claim(reference)[0], claim.machine) if recordings is not None and claim else None
    return (run, claim) if run is not None and claim is not None else None


def support(statement: Support) -> str:
    """What carries a statement, as text: the claims or the sources."""
    return ", ".join(statement.claims or statement.cite)


def references(bank: Bank, question: Question) -> list[str]:
    """Every paper that a question cites, in full where the bank knows it, with the places in it."""
    found = []
    for key, places in question.citations.items():
        paper = bank.papers.get(key)
        full = f"{paper.authors} ({paper.year}). {paper.title}. {paper.id}" if paper else key
        found.append(", ".join([full, *places]))
    return found


def atomic_write(path: Path) -> AbstractContextManager[Path]:
    """A temporary file beside `path` that takes its place when all went well.

    Raises:
        ExportError: where it cannot be written.
    """
    hint = "choose another place with --output"
    return files.atomic_write(path, lambda error: ExportError(f"cannot write {path}: {error.strerror}", hint))


def write_text(path: Path, content: str) -> None:
    """`content` as UTF-8 with plain line ends, whole or not at all."""
    write_bytes(path, content.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """`content`, whole or not at all."""
    with atomic_write(path) as temporary:
        temporary.write_bytes(content)


def seconds(at: datetime) -> int:
    """Whole seconds since 1970, the unit of Anki's edit times."""
    return int(at.timestamp())
