"""The line above the evidence: which claim of how many, whose it is, and what the lab is doing."""

from textual.content import Content

from studyapp.i18n import Translations
from studyapp.tui.widgets.drawn import DrawnText, joined


class EvidenceHead(DrawnText):
    """A line, and a second one while the lab has something to say."""

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self.line: tuple[str, str] = ("", "")
        self._state = ""

    @property
    def state(self) -> str:
        """What the lab is doing, or how the last run ended."""
        return self._state

    @state.setter
    def state(self, text: str) -> None:
        if text != self._state:
            self._state = text
            self.redraw()

    def fill(self, t: Translations, place: int, total: int, name: str) -> None:
        """Say which of how many; `place` 0 where there is no claim."""
        parts = [t("exhibit.of", place=place, total=total)] if place else []
        line = (t("study.proof"), " · ".join(filter(None, [*parts, name])))
        if line != self.line:
            self.line = line
            self.redraw()

    def draw(self, width: int) -> Content:
        """Heading left, place right, a rule between; the state under it."""
        heading, place = self.line
        if not heading:
            return Content()
        gap = max(0, width - Content(heading).cell_length - Content(place).cell_length - 2)
        rule, place = Content.styled("─" * gap, "$foreground 25%"), f" {place}" if place else ""
        line = Content.assemble(Content.styled(heading, "bold $accent"), " ", rule, Content.styled(place, "$foreground-muted"))
        lines = [line.truncate(width)]
        if self._state:
            lines += Content.styled(self._state, "$warning").wrap(width)
        return joined(lines)
