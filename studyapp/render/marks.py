"""How a mark is drawn, on the screen and in what leaves the house."""

from dataclasses import dataclass

from studyapp.bank.model import Support
from studyapp.bank.refs import ClaimRef
from studyapp.errors import DemoError
from studyapp.i18n import Translations
from studyapp.lab.catalog import Catalog
from studyapp.lab.recordings import Recordings
from studyapp.render.document import ClaimEvidence, Judge, Mark

SIGNS = {"proof": "✓", "toy": "≈", "cite": "·"}
STATE_SIGNS = {"broken": "✗", "stale": "↻", "skipped": "○", "unrecorded": "?", "unsupported": "–"}
COLOURS = {"✓": "green", "≈": "yellow", "·": "dim", "✗": "red"}


@dataclass(frozen=True, slots=True)
class SupportMark:
    """The kind of a statement's support and the state it is in."""

    kind: str
    state: str


def sign(mark: Mark) -> str:
    """One character for a mark: its kind where it holds, else what is the matter."""
    return STATE_SIGNS.get(mark.state) or SIGNS[mark.kind]


def note(mark: Mark, words: Translations) -> str:
    """What is the matter with a mark, in words; empty where it holds."""
    return "" if mark.state == "held" else words(f"document.{mark.state}")


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
    return COLOURS.get(sign(mark), "magenta")


def recorded_judge(catalog: Catalog | None, recordings: Recordings | None) -> Judge:
    """Marks by what was recorded: the worst of a statement's claims decides."""

    def claim_state(claim: str) -> str:
        record = recordings.best(claim) if recordings is not None else None
        if record is None or recordings is None:
            return "unrecorded"
        if record.skipped:
            return "skipped"
        demo = ClaimRef.parse(claim).demo
        run = recordings.get(demo, record.machine)
        try:
            if catalog is not None and run is not None and run.stale(catalog.demo(demo)):
                return "stale"
        except DemoError:
            return "unrecorded"
        return "held" if record.held else "broken"

    def judge(support: Support) -> Mark:
        if not support.claims:
            return SupportMark("cite", "held" if support.cite else "unsupported")
        states = [claim_state(claim) for claim in support.claims]
        order = ("broken", "stale", "unrecorded", "skipped", "held")
        return SupportMark(support.kind, min(states, key=order.index))

    return judge
