"""The line above the evidence: which claim of how many, whose it is, and what the lab is doing."""

from collections.abc import Callable

from textual.content import Content

from studyapp.i18n import Translations
from studyapp.tui.widgets.drawn import DrawnText, joined


def _nothing(t: Translations) -> str:
    return ""


class EvidenceHead(DrawnText):
    """A line, and a second one while the lab has something to say."""

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self.line: tuple[str, str] = ("", "")
        self.state = ""
        self._words: Callable[[Translations], str] = _nothing

    def tell(self, t: Translations, words: Callable[[Translations], str] | None = None) -> None:
        """Say what the lab is doing, or how the last run ended: `words` in whatever language there is; none say nothing."""
        self._words = words or _nothing
        self._put(self._words(t))

    def _put(self, text: str) -> None:
        if text != self.state:
            self.state = text
            self.redraw()

    def fill(self, t: Translations, place: int, total: int, name: str) -> None:
        """Say which of how many; `place` 0 where there is no claim."""
        parts = [t("exhibit.of", place=place, total=total)] if place else []
        line = (t("study.proof"), " · ".join(filter(None, [*parts, name])))
        if line != self.line:
            self.line = line
            self.redraw()
        self._put(self._words(t))

    def draw(self, width: int) -> Content:
        """Heading left, place right, a rule between; the state under it."""
        heading, place = self.line
        if not heading:
            return Content()
        gap = max(0, width - Content(heading).cell_length - Content(place).cell_length - 2)
        rule, place = Content.styled("─" * gap, "$foreground 25%"), f" {place}" if place else ""
        line = Content.assemble(Content.styled(heading, "bold $accent"), " ", rule, Content.styled(place, "$foreground-muted"))
        lines = [line.truncate(width)]
        if self.state:
            lines += Content.styled(self.state, "$warning").wrap(width)
        return joined(lines)
