"""The checks of a claim: one line where all hold, each that broke in full, all of them on a key."""

from collections.abc import Iterator, Sequence

from textual.content import Content

from studyapp.evidence.types import Check
from studyapp.i18n import Translations
from studyapp.render.checks import checks_summary
from studyapp.tui.widgets.drawn import hang

MARK = 2


def check_lines(checks: Sequence[Check], t: Translations, width: int, unfolded: bool) -> Iterator[Content]:
    """The lines of a claim's checks; those that broke come first and are never folded."""
    holding = [c for c in checks if c.held]
    for check in checks:
        if not check.held:
            mark = Content.styled("✗", "bold $error")
            yield from hang(mark, Content.styled(check.sentence(t), "bold"), width, MARK)
    if unfolded:
        for check in holding:
            yield from hang(Content.styled("✓", "$success"), Content(check.sentence(t)), width, MARK)
    elif holding:
        yield from hang(Content.styled("✓", "$success"), Content(checks_summary(holding, t)), width, MARK)

