"""Marks in words and in the colours of a terminal."""

from collections.abc import Iterable, Sequence

from studyapp.evidence.types import Check
from studyapp.i18n import Translations
from studyapp.lab.recordings import RecordedDemo
from studyapp.lab.verdict import LEGEND, Mark
from studyapp.render.document import ClaimEvidence

COLOURS = {"success": "green", "warning": "yellow", "error": "bold red", "muted": "dim"}


def note(mark: Mark, words: Translations) -> str:
    """What is the matter with a mark, in words; empty where it holds or a source carries it."""
    return "" if mark.state in ("held", "cited") else mark.why(words)


def provenance(item: ClaimEvidence, words: Translations) -> list[str]:
    """What stands beside a claim: what is the matter, where and when it was recorded, and how many checks hold."""
    found = [note(item.mark, words)]
    if item.run is not None and item.record is not None and not item.record.skipped:
        found.append(recorded(item.run, words))
        if item.record.checks:
            found.append(checks_held(item.record.checks, words))
    return [text for text in found if text]


def recorded(run: RecordedDemo, words: Translations) -> str:
    """Where and when a run was recorded."""
    return words("document.recorded", date=run.date[:10], machine=run.machine, torch=run.torch)


def checks_held(checks: Sequence[Check], words: Translations) -> str:
    """How many of a claim's checks hold."""
    return words("document.checks", held=sum(c.held for c in checks), total=len(checks))


def legend(marks: Iterable[Mark], words: Translations) -> list[str]:
    """What the signs of `marks` mean, one line for each that is among them."""
    used = {mark.text for mark in marks}
    return [f"{mark.text} {mark.why(words)}" for mark in LEGEND if mark.text in used]


def colour(mark: Mark) -> str:
    """The Rich style of a mark."""
    return COLOURS[mark.sign.style]
