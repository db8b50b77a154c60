"""Evidence as SVG for exports: sharp at any size, in the reader's fonts, and drawn in a millisecond."""

from studyapp.evidence.types import Bars, Evidence, Heatmap, Lines
from studyapp.render.chart_svg.bars import bars
from studyapp.render.chart_svg.canvas import Canvas
from studyapp.render.chart_svg.curves import curves
from studyapp.render.chart_svg.heatmaps import heatmap
from studyapp.render.chart_text.layout import one_line

__all__ = ["picture"]


def picture(evidence: Evidence) -> bytes | None:
    """`evidence` drawn as an SVG; None for a table or where there is nothing to draw. The same evidence gives the same bytes."""
    canvas = Canvas()
    match evidence:
        case Lines():
            height = curves(canvas, evidence)
        case Bars():
            height = bars(canvas, evidence)
        case Heatmap():
            height = heatmap(canvas, evidence)
        case _:
            return None
    return None if height is None else canvas.document(height, one_line(evidence.title))
