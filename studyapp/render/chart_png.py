"""Evidence as a PNG for exports. matplotlib is imported here and nowhere else, and only when a picture is drawn."""

import io
import math
import textwrap
import warnings
from functools import cache
from typing import Any

from studyapp.evidence.types import Bars, Evidence, Heatmap, Lines, format_cell
from studyapp.render.chart_text import number

CHINESE_FONTS = (
    "Noto Sans CJK SC",
    "Source Han Sans SC",
    "PingFang SC",
    "Microsoft YaHei",
    "WenQuanYi Zen Hei",
    "SimHei",
    "Noto Sans Mono CJK SC",
)
FONTS = (*CHINESE_FONTS, "DejaVu Sans")

MAX_TICKS, MAX_DOTS, MAX_LABELS, MAX_CELLS, TITLE_WIDTH = 8, 40, 50, 16, 64
SIZE, DPI, MARGIN = (6.0, 3.6), 100, 0.06  # inches, pixels an inch, inches


@cache
def draws_chinese() -> bool:
    """Whether this machine has a font for Chinese; without one each character would be a box."""
    from matplotlib import font_manager

    return any(font.name in CHINESE_FONTS for font in font_manager.fontManager.ttflist)


def picture(evidence: Evidence) -> bytes | None:
    """`evidence` drawn as a PNG; None for a table or where there is nothing to draw. The same evidence gives the same bytes."""
    if not isinstance(evidence, Lines | Bars | Heatmap) or (isinstance(evidence, Heatmap) and not any(evidence.values)):
        return None
    import matplotlib as mpl
    from matplotlib import font_manager
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    known = {f.name for f in font_manager.fontManager.ttflist}
    style = {"font.family": [f for f in FONTS if f in known], "axes.unicode_minus": False, "text.parse_math": False}
    out = io.BytesIO()
    with mpl.rc_context(style), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a glyph no font has, a log axis with nothing on it
        figure = Figure(figsize=SIZE, dpi=DPI)
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        match evidence:
            case Lines():
                _lines(axes, evidence)
            case Bars():
                _bars(axes, evidence)
            case Heatmap():
                _heatmap(figure, axes, evidence)
        axes.set_title(textwrap.fill(evidence.title, TITLE_WIDTH))
        axes.minorticks_off()  # each tick is five objects, and a log axis has dozens that nobody reads
        _fill(figure)
        figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()


def _fill(figure: Any) -> None:
    """Let what is drawn fill the figure: measured once, where matplotlib's constrained layout measures three times and more."""
    box, now = figure.get_tightbbox(figure.canvas.get_renderer()), figure.subplotpars
    width, height = SIZE
    figure.subplots_adjust(  # at least a fifth is left to the chart, however long its labels
        left=min(0.6, now.left + (MARGIN - box.x0) / width),
        right=max(0.8, now.right - (box.x1 + MARGIN - width) / width),
        bottom=min(0.6, now.bottom + (MARGIN - box.y0) / height),
        top=max(0.8, now.top - (box.y1 + MARGIN - height) / height),
    )


def _lines(axes: Any, evidence: Lines) -> None:
    numbers = [number(v) for v in evidence.x]
    xs: list[Any] = [str(v) for v in evidence.x] if all(n is None for n in numbers) else [_nan(n) for n in numbers]
    for name, values in evidence.series.items():
        axes.plot(xs, [_nan(number(v)) for v in values], marker="o" if len(xs) <= MAX_DOTS else "", label=name)
    axes.set_xlabel(evidence.x_label)
    axes.set_ylabel(evidence.y_label)
    if "x" in evidence.log and not isinstance(xs[0] if xs else "", str):
        axes.set_xscale("log")
        _plain_ticks(axes.xaxis)
        if len(xs) <= MAX_TICKS:
            axes.set_xticks([x for x in xs if x > 0])
    if "y" in evidence.log:
        axes.set_yscale("log")
        _plain_ticks(axes.yaxis)
    axes.grid(True, alpha=0.3)
    if any(evidence.series):
        axes.legend()


def _bars(axes: Any, evidence: Bars) -> None:
    width = 0.8 / max(1, len(evidence.series))
    for i, (name, values) in enumerate(evidence.series.items()):
        places = [j + (i - (len(evidence.series) - 1) / 2) * width for j in range(len(values))]
        axes.bar(places, [_nan(number(v)) for v in values], width, label=name)
    crowded = sum(map(len, evidence.labels)) > MAX_LABELS
    axes.set_xticks(range(len(evidence.labels)), evidence.labels, rotation=30 if crowded else 0)
    axes.set_ylabel(evidence.y_label)
    if "y" in evidence.log:
        axes.set_yscale("log")
        _plain_ticks(axes.yaxis)
    if any(evidence.series):
        axes.legend()


def _heatmap(figure: Any, axes: Any, evidence: Heatmap) -> None:
    shown = axes.imshow([[_nan(number(v)) for v in row] for row in evidence.values], aspect="auto", cmap="viridis")
    figure.colorbar(shown)
    axes.set_xlabel(evidence.x_label)
    axes.set_ylabel(evidence.y_label)
    for names, set_ticks in ((evidence.x, axes.set_xticks), (evidence.y, axes.set_yticks)):
        if names:
            every = math.ceil(len(names) / MAX_CELLS)
            set_ticks(range(0, len(names), every), names[::every])


def _plain_ticks(axis: Any) -> None:
    """Powers of ten as the reader writes them: matplotlib's own labels are formulas, and text here is never parsed as one."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    axis.set_major_formatter(FuncFormatter(lambda value, _: format_cell(float(value))))
    axis.set_minor_formatter(NullFormatter())


def _nan(value: float | None) -> float:
    return math.nan if value is None else value
