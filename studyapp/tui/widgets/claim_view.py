"""A claim with its evidence as text: title, picture, checks; what ran here first, then what it is to be compared with."""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from rich.text import Text as RichText
from textual.content import Content

from studyapp.evidence.types import Evidence
from studyapp.i18n import Translations
from studyapp.lab.history import ClaimRun
from studyapp.render.chart_text import chart
from studyapp.tui.widgets.checks import check_lines
from studyapp.tui.widgets.drawn import hang
from studyapp.tui.widgets.parameter_form import written

WIDEST, HEIGHT, INDENT, BAR = 90, 12, 2, 24
STATES = {"held": ("✓", "$success"), "broken": ("✗", "bold $error"), "crashed": ("!", "bold $warning")}
"""How a run ended: its sign and style."""
Translated = Callable[[Any], Any]
"""Gives evidence or a check with its labels in the language of now."""
_drawn: OrderedDict[tuple[int, int, str], tuple[Evidence, Content]] = OrderedDict()
REMEMBERED = 128


@dataclass(frozen=True)
class Try:
    """A known wrong way of a claim: its parameters as text, how it ended where it ran, and why it breaks where it is on show."""

    text: str
    state: str = ""
    sentence: str = ""


@dataclass(frozen=True)
class ClaimPage:
    """What is shown of a claim: `runs` newest first, each with the line that says where it comes from.

    `signed`: the newest is marked with how it ended; `guess` says how far off the learner's guess was.
    """

    ref: str
    sentence: str
    mark: str
    style: str
    why: str
    runs: tuple[tuple[ClaimRun, str], ...] = ()
    tries: tuple[Try, ...] = ()
    signed: bool = True
    guess: str = ""


def drawn(item: Evidence, width: int, language: str, translated: Translated) -> Content:
    """Evidence as text of a width, its labels as `translated` gives them. The last ones drawn are remembered."""
    key = (id(item), width, language)
    if key not in _drawn:
        text = chart(translated(item), width, HEIGHT)
        _drawn[key] = (item, Content.from_rich_text(RichText.from_ansi(text)))  # the item too: its id must not be used again
        if len(_drawn) > REMEMBERED:
            _drawn.popitem(last=False)
    _drawn.move_to_end(key)
    return _drawn[key][1]


def claim_lines(
    page: ClaimPage, t: Translations, width: int, unfolded: bool, current: bool, translated: Translated
) -> Iterator[Content]:
    """The lines of a claim; the sentence of the current one stands out where several are shown."""
    mark = Content.styled(page.mark, page.style)
    yield from hang(mark, Content.styled(page.sentence, "bold" if current else ""), width, 1 + len(page.mark))
    if page.why:
        yield from hang("", Content.styled(page.why, "$warning"), width, INDENT)
    if page.guess:
        yield from hang("", Content.styled(page.guess, "$text-accent"), width, INDENT)
    for place, (run, label) in enumerate(page.runs):
        if place:
            yield Content()
        if label:
            signed = run.state in STATES and page.signed and not place
            sign = Content.styled(f"{STATES[run.state][0]} ", STATES[run.state][1]) if signed else Content()
            yield from hang("", sign + Content.styled(label, "$foreground-muted"), width, INDENT)
        for why in (one.sentence for one in page.tries if one.sentence and not place):
            yield from hang("", Content(why), width, INDENT)
        yield from _run_lines(run, t, width, unfolded, translated)
        if not place:
            yield from _try_lines(page.tries, t, width)
    if not page.runs:
        yield from _try_lines(page.tries, t, width)


def _run_lines(run: ClaimRun, t: Translations, width: int, unfolded: bool, translated: Translated) -> Iterator[Content]:
    room = min(width - INDENT, WIDEST)
    for item in run.evidence:
        yield from (line.pad_left(INDENT) for line in drawn(item, room, t.language, translated).split("\n", allow_blank=True))
    checks = [translated(c) for c in run.checks]
    yield from (line.pad_left(INDENT) for line in check_lines(checks, t, room, unfolded))
    if run.state == "running":
        yield Content.styled(_progress(run, t), "$accent").pad_left(INDENT)
    elif run.state == "crashed":
        yield from hang("  !", Content.styled(t("lab.could_not_run", what=run.problem), "$warning"), width, 4)
    elif run.state == "skipped":
        yield from hang("", Content.styled(t("lab.skipped", why=run.problem), "$warning"), width, INDENT)
    elif run.state == "stopped":
        yield Content.styled(t("lab.cancelled"), "$warning").pad_left(INDENT)


def _try_lines(tries: tuple[Try, ...], t: Translations, width: int) -> Iterator[Content]:
    """The wrong ways in a line, each marked with how it ended where it ran."""
    if not tries:
        return
    parts = [
        Content.assemble(one.text, Content.styled(f" {STATES[one.state][0]}", STATES[one.state][1]))
        if one.state in STATES
        else Content(one.text)
        for one in tries
    ]
    head = Content.styled(t("lab.try"), "$text-accent")
    yield from hang("", Content.assemble(head, " ", Content("  ").join(parts)), width, INDENT)


def _progress(run: ClaimRun, t: Translations) -> str:
    if not run.total:
        return t("lab.runs")
    share = min(1.0, run.done / run.total)
    filled = round(share * BAR)
    return f"{'━' * filled}{'╌' * (BAR - filled)} {share:.0%}"


def turned_text(run: ClaimRun) -> str:
    """The parameters that were turned: «d = 8, widths = 8,32»."""
    return ", ".join(f"{name} = {written(value)}" for name, value in run.parameters.items())
