"""The charts of an export: drawn by as many processes as there are cores, and kept, for each takes a tenth of a second."""

import hashlib
import json
from collections.abc import Callable, Iterable
from functools import cache
from importlib.metadata import version
from pathlib import Path

from studyapp.evidence.types import Evidence, Table, to_json
from studyapp.export.drawing_process import draw_all
from studyapp.export.writing import keep
from studyapp.render import chart_png

FEW = 8  # up to so many are drawn sooner than other processes have started
Told = Callable[[int, int], None]


class Pictures:
    """Charts by what they show. A `folder` keeps them from one export to the next; without one they are drawn each time."""

    def __init__(self, folder: Path | None = None, told: Told | None = None) -> None:
        self._folder, self._told = folder, told
        self._drawn: dict[str, bytes] = {}  # by key; empty where there is nothing to draw
        self.media: dict[str, bytes] = {}

    def prepare(self, items: Iterable[Evidence]) -> None:
        """Draw all of `items` that are not kept yet; `told` hears how many are done.

        Raises:
            ExportError: where one cannot be kept.
        """
        missing = {
            key: item for item in items if not isinstance(item, Table) and (key := _key(item)) not in self._drawn
        }
        missing = {key: item for key, item in missing.items() if not self._recall(key)}
        if not missing:
            return
        if self._told is not None:
            self._told(0, len(missing))
        if len(missing) <= FEW:
            self._take(missing, map(chart_png.picture, missing.values()))
        else:
            self._take(missing, draw_all(list(missing.values())))

    def name(self, item: Evidence) -> str | None:
        """The name under which a note may show it, from here on among the `media`; None where there is nothing to draw."""
        if isinstance(item, Table):
            return None
        self.prepare([item])
        drawn = self._drawn[_key(item)]
        if not drawn:
            return None
        name = media_name(drawn)
        self.media[name] = drawn
        return name

    def _take(self, missing: Iterable[str], drawn: Iterable[bytes | None]) -> None:
        keys = list(missing)
        for done, (key, content) in enumerate(zip(keys, drawn, strict=True), 1):
            self._drawn[key] = content or b""
            if self._folder is not None:
                keep(self._folder / key, self._drawn[key])
            if self._told is not None:
                self._told(done, len(keys))

    def _recall(self, key: str) -> bool:
        if self._folder is None or not (kept := self._folder / key).is_file():
            return False
        self._drawn[key] = kept.read_bytes()
        return True


def drawn_language(language: str) -> str:
    """The language in which charts are labelled: English where the machine has no font for Chinese."""
    return "en" if language == "zh" and not chart_png.draws_chinese() else language


def media_name(content: bytes) -> str:
    """A name that follows from the picture, so that a changed picture is a new file to Anki."""
    return f"studyapp-{hashlib.sha256(content).hexdigest()[:20]}.png"


def _key(item: Evidence) -> str:
    """What decides how a chart looks: what it shows, how it is drawn, and by which matplotlib."""
    shown = json.dumps(to_json(item), ensure_ascii=False, sort_keys=True)
    return hashlib.sha256("\0".join((shown, _renderer_version())).encode()).hexdigest()


@cache
def _renderer_version() -> str:
    return "\0".join((Path(chart_png.__file__).read_text("utf-8"), version("matplotlib")))
