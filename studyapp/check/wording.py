"""What a text in two languages must be, whichever file it stands in."""

import re
import unicodedata
from collections.abc import Callable, Iterator
from functools import cache, lru_cache

from markdown_it import MarkdownIt

from studyapp.bank.model import Text
from studyapp.render.markdown import parser

Complaint = tuple[str, int, str, str]
"""Language ("" for both), line within the text (from 0), problem, hint."""

SHORTEST_COMPARED = 60
RATIO = (1.0, 4.5)
HAN = r"\u3400-\u4dbf\u4e00-\u9fff"
LATIN = r"A-Za-z0-9\u00b2\u00b3\u00b9\u2070-\u209c"
TIGHT = re.compile(rf"[{HAN}][{LATIN}]|[{LATIN}][{HAN}]")
HIDDEN = re.compile(r"^( *)(```|~~~).*?^\1\2|(?<!`)`++[^`\n]++`++|\$\$.*?\$\$|https?://[!-~]+", re.MULTILINE | re.DOTALL)
INLINE_TEX = re.compile(r"(?<![\w$])\$(?=[^$\s][^$\n]*[\\_^{])[^$\n]++\$(?!\d)")

SCALES = {
    "thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12,
    "千": 1e3, "万": 1e4, "百万": 1e6, "千万": 1e7, "亿": 1e8, "万亿": 1e12,
    "K": 1e3, "k": 1e3, "M": 1e6, "B": 1e9, "T": 1e12,
}  # fmt: skip
WORDS = "|".join(sorted((w for w in SCALES if len(w) > 1 or not w.isascii()), key=len, reverse=True))
DIGITS = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)*"
NUMBER = re.compile(rf"({DIGITS})(?:[\s-]?({WORDS})(?![a-z])|([KkMBT])(?![A-Za-z]))?")
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August",
    "September", "October", "November", "December",
)  # fmt: skip


def text_problems(text: Text, formula_problem: Callable[[str], str | None]) -> Iterator[Complaint]:
    """All that is wrong with a text."""
    if not re.search(f"[{HAN}]", text.zh):
        yield "zh", 0, "holds no Chinese", "translate it"
    yield from _lengths(text)
    yield from _numbers(text)
    for line, tight in spacing(text.zh):
        yield "zh", line, f"«{tight}» lacks a space between Chinese and Latin", f"write «{tight[0]} {tight[1]}»"
    for language in ("en", "zh"):
        for line, problem, hint in markdown(text[language], formula_problem):
            yield language, line, problem, hint


def _blank(match: re.Match[str]) -> str:
    return "\n" * match[0].count("\n") or " "


def _lengths(text: Text) -> Iterator[Complaint]:
    en, zh = (len("".join(HIDDEN.sub(" ", text[language]).split())) for language in ("en", "zh"))
    if en >= SHORTEST_COMPARED and not RATIO[0] <= en / max(zh, 1) <= RATIO[1]:
        more = "English" if en > zh else "Chinese"
        yield "", 0, f"has {en / max(zh, 1):.1f} English characters to a Chinese one", f"see what only the {more} says"


def _numbers(text: Text) -> Iterator[Complaint]:
    (told_en, all_en), (told_zh, all_zh) = numbers(text.en), numbers(text.zh)
    all_en |= {str(i) for i, month in enumerate(MONTHS, 1) if month in text.en}
    for language, told, other in (("en", told_en, all_zh), ("zh", told_zh, all_en)):
        if lone := [written for value, written in told.items() if value not in other]:
            yield language, 0, f"alone has the number {', '.join(lone)}", "say the same in both languages"


def numbers(text: str) -> tuple[dict[str, str], set[str]]:
    """The numbers of two digits or with a decimal point, by value, as they are written; and the values of all numbers.

    175B, 175 billion and 1750 亿 have the same value.
    """
    told: dict[str, str] = {}
    every: set[str] = set()
    for match in NUMBER.finditer(unicodedata.normalize("NFKC", text)):
        digits = match[1].replace(",", "")
        scale = SCALES.get(match[2] or match[3] or "", 1)
        value = digits if digits.count(".") > 1 else f"{float(digits) * scale:.9g}"
        every |= {value, digits if digits.count(".") > 1 else f"{float(digits):.9g}"} if match[3] else {value}
        if len(digits) > 1:
            told.setdefault(value, match[0].strip())
    return told, every


def spacing(text: str) -> Iterator[tuple[int, str]]:
    """Where Chinese touches Latin outside code, formulas and addresses: the line and the two characters."""
    shown = HIDDEN.sub(_blank, text).replace("**", "")
    for match in TIGHT.finditer(shown):
        yield shown[: match.start()].count("\n"), match[0]


@lru_cache(maxsize=16384)
def markdown(text: str, formula_problem: Callable[[str], str | None]) -> tuple[tuple[int, str, str], ...]:
    """Formulas that cannot be drawn, and marks that would be shown instead of obeyed."""
    return tuple(_markdown(text, formula_problem))


def _markdown(text: str, formula_problem: Callable[[str], str | None]) -> Iterator[tuple[int, str, str]]:
    for block in _parser().parse(text):
        line = block.map[0] if block.map else 0
        if block.type == "math_block" and (problem := formula_problem(block.content.strip())):
            yield line, f"formula cannot be drawn: {problem}", "write it with other commands, or break it in two"
        for token in block.children or ():
            if token.type != "text":
                continue
            if "**" in token.content:
                around = _around(token.content, "**")
                yield line, f"«{around}» is not bold", "move punctuation out of the ** or put spaces around it"
            if "$$" in token.content:
                yield line, "has $$ inside a paragraph", "give the formula a paragraph of its own"
            elif found := INLINE_TEX.search(token.content):
                yield line, f"has TeX inside a sentence: {found[0]}", "write inline maths in Unicode"


@cache
def _parser() -> MarkdownIt:
    return parser()


def _around(content: str, mark: str) -> str:
    at = content.index(mark)
    return content[max(at - 8, 0) : at + 14]
