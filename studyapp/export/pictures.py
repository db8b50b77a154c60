"""The charts that an export's notes show, by the names under which they lie beside it."""

import hashlib

from studyapp.evidence.types import Evidence
from studyapp.render.chart_svg import picture


class Pictures:
    """Charts as they are asked for. `media` holds what was drawn, by name."""

    def __init__(self) -> None:
        self.media: dict[str, bytes] = {}
        self._names: dict[str, str | None] = {}  # by content: a claim stands on several notes

    def name(self, item: Evidence) -> str | None:
        """The name under which a note may show `item`, from here on among the `media`; None where there is nothing to draw.

        It follows from the picture: a chart that two notes show is one file, and a changed one is a new file to Anki.
        """
        key = repr(item)
        if key not in self._names:
            drawn = picture(item)
            name = f"studyapp-{hashlib.sha256(drawn).hexdigest()[:20]}.svg" if drawn else None
            if drawn and name:
                self.media[name] = drawn
            self._names[key] = name
        return self._names[key]
