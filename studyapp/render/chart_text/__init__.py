"""Evidence as text for the terminal: tables, curves (drawn by plotext), bars and heatmaps.

Every row is at most as wide in cells as asked, also with Chinese in it. plotext keeps one figure for the whole process:
call this from one thread.
"""

from studyapp.evidence.numbers import number
from studyapp.evidence.types import Bars, Evidence, Heatmap, Lines
from studyapp.render.chart_text.bars import bars_text
from studyapp.render.chart_text.curves import curves_text
from studyapp.render.chart_text.heatmaps import heatmap_text
from studyapp.render.chart_text.tables import table_text

__all__ = ["chart", "number", "table_text"]


def chart(evidence: Evidence, width: int, height: int, *, colour: bool = True) -> str:
    """`evidence` in at most `width` cells; curves are `height` rows high with all that belongs to them.

    ANSI colours unless `colour` is False; what they tell is told by marks and shades as well.
    """
    match evidence:
        case Lines():
            return curves_text(evidence, width, height, colour)
        case Bars():
            return bars_text(evidence, width, colour)
        case Heatmap():
            return heatmap_text(evidence, width, colour)
        case _:
            return table_text(evidence, width)
