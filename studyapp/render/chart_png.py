"""Evidence as a PNG for exports. matplotlib is imported here and nowhere else, and only when a picture is drawn."""

import io
import math
import textwrap
import warnings
from collections.abc import Sequence
from functools import cache
from typing import Any

from studyapp.evidence.numbers import Cell, number, number_style, readable
from studyapp.evidence.types import Bars, Evidence, Heatmap, Lines

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
LABEL_WIDTH = 40
SIZE, DPI, MARGIN = (6.0, 3.6), 100, 0.06  # inches, pixels an inch, inches
ASIDE = 0.05  # values that reach less far than this beyond zero are of one sign
COMPRESSION = 3  # of 9: a twentieth more bytes, a twentieth less time


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
        figure.savefig(out, format="png", metadata={"Software": None}, pil_kwargs={"compress_level": COMPRESSION})
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
    named = all(n is None for n in numbers)
    xs: list[Any] = [str(v) for v in evidence.x] if named else [_nan(n) for n in numbers]
    for name, values in evidence.series.items():
        axes.plot(xs, [_nan(number(v)) for v in values], marker="o" if len(xs) <= MAX_DOTS else "", label=name)
    axes.set_xlabel(evidence.x_label)
    if not named:
        _scale(axes, "x", evidence.x, evidence.x_label, "x" in evidence.log)
        if "x" in evidence.log and len(xs) <= MAX_TICKS:
            axes.set_xticks([x for x in xs if x > 0])
    _series(axes, evidence)
    axes.grid(True, alpha=0.3)


def _bars(axes: Any, evidence: Bars) -> None:
    width = 0.8 / max(1, len(evidence.series))
    for i, (name, values) in enumerate(evidence.series.items()):
        places = [j + (i - (len(evidence.series) - 1) / 2) * width for j in range(len(values))]
        axes.bar(places, [_nan(number(v)) for v in values], width, label=name)
    crowded = sum(map(len, evidence.labels)) > MAX_LABELS
    axes.set_xticks(range(len(evidence.labels)), evidence.labels, rotation=30 if crowded else 0)
    _series(axes, evidence)


def _series(axes: Any, evidence: Lines | Bars) -> None:
    """The y axis, and which series is which; one alone is named by the axis."""
    names = list(evidence.series)
    label = evidence.y_label or (names[0] if len(names) == 1 else "")
    axes.set_ylabel(textwrap.fill(label, LABEL_WIDTH))
    _scale(axes, "y", [v for values in evidence.series.values() for v in values], label, "y" in evidence.log)
    if any(names) and names != [label]:
        axes.legend()


def _heatmap(figure: Any, axes: Any, evidence: Heatmap) -> None:
    values = [[_nan(number(v)) for v in row] for row in evidence.values]
    finite = [v for row in values for v in row if not math.isnan(v)]
    low, high = min(finite, default=0.0), max(finite, default=0.0)
    edge = max(-low, high)
    if min(-low, high) > edge * ASIDE:  # of both signs: zero is white, and as far from either end
        shown = axes.imshow(values, aspect="auto", cmap="RdBu_r", vmin=-edge, vmax=edge)
    else:
        shown = axes.imshow(values, aspect="auto", cmap="viridis")
    _scale(figure.colorbar(shown).ax, "y", finite, "", False)
    axes.set_xlabel(evidence.x_label)
    axes.set_ylabel(textwrap.fill(evidence.y_label, LABEL_WIDTH))
    for names, set_ticks in ((evidence.x, axes.set_xticks), (evidence.y, axes.set_yticks)):
        if names:
            every = math.ceil(len(names) / MAX_CELLS)
            set_ticks(range(0, len(names), every), names[::every])


def _scale(axes: Any, which: str, values: Sequence[Cell], label: str, log: bool) -> None:
    """A scale with few ticks, and numbers as they stand everywhere else: matplotlib's own are formulas or «1e6» at the top."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

    style, axis = number_style(values, label), getattr(axes, f"{which}axis")
    if log:
        getattr(axes, f"set_{which}scale")("log")
        axis.set_minor_formatter(NullFormatter())
    else:
        whole = all(n == int(n) for n in map(number, values) if n is not None)
        axis.set_major_locator(MaxNLocator(nbins=MAX_TICKS - 2, steps=(1, 2, 5, 10), integer=whole))
    axis.set_major_formatter(FuncFormatter(lambda value, _: readable(float(value), style)))


def _nan(value: float | None) -> float:
    return math.nan if value is None else value
