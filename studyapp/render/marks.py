"""How a mark is drawn, on the screen and in what leaves the house."""

from studyapp.i18n import Translations
from studyapp.lab.verdict import Mark
from studyapp.render.document import ClaimEvidence

COLOURS = {"success": "green", "warning": "yellow", "error": "bold red", "muted": "dim"}


def sign(mark: Mark) -> str:
    """The sign of a mark."""
    return mark.text


def note(mark: Mark, words: Translations) -> str:
    """What is the matter with a mark, in words; empty where it holds or a source carries it."""
    return "" if mark.state in ("held", "cited") else mark.why(words)


def provenance(item: ClaimEvidence, words: Translations) -> list[str]:
    """What stands beside a claim: where and when it was recorded, how many checks hold, and what is the matter."""
    found = [note(item.mark, words)]
    if item.run is not None and item.record is not None and not item.record.skipped:
        found.append(
            words("document.recorded", date=item.run.date[:10], machine=item.run.machine, torch=item.run.torch)
        )
        total = len(item.record.checks)
        if total:
            found.append(words("document.checks", held=sum(c.held for c in item.record.checks), total=total))
    return [text for text in found if text]


def colour(mark: Mark) -> str:
    """The Rich style of a mark."""
    return COLOURS[mark.sign.style]
