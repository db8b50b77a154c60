"""What is wanted of an export, and what it may use."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from studyapp.bank.model import Bank, Question
from studyapp.export.progress import Progress
from studyapp.i18n import Translations
from studyapp.quiz.kinds import Asked
from studyapp.render.document import Document

EvidenceForm = Literal["none", "charts", "tables"]


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """A form takes what it has a place for.

    Attributes:
        output: the file to write; "-" is standard output, for forms that are text.
        languages: the first is the one shown; a second is folded away or comes after.
        words: the app's own, for errors.
        document: a question with its marks, evidence and references.
        topics: the topics wanted; all where that is empty.
        ids: the questions wanted; all of the topics where that is empty.
        store: the learner's reviews, where progress is to go along.
        note_times: the table of when each note changed; kept in memory without it.
        progress: hears how many questions of how many are written, where that takes a while.
        asked: choices and numbers that go along, the latter made by their demos.
        evidence: how Markdown shows what claims recorded: a line each, charts beside the file, or tables.
    """

    bank: Bank
    output: Path
    languages: tuple[str, ...]
    words: Translations
    now: datetime
    document: Callable[[Question], Document]
    topics: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    store: Progress | None = None
    note_times: Path | None = None
    progress: Callable[[int, int], None] | None = None
    evidence: EvidenceForm = "none"
    asked: tuple[Asked, ...] = ()


Exporter = Callable[[ExportOptions], int]
"""Writes the output and returns how many questions it holds; raises ExportError."""
