"""The one Markdown dialect of the bank: GitHub's, with displayed formulas between `$$` on their own lines."""

import re
from collections.abc import Iterator
from functools import cache
from html import escape
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from mdit_py_plugins.dollarmath import dollarmath_plugin
from rich.cells import cell_len

DELIMITER = re.compile(r"\\(?=[()\[\]])")
WORD_JOINER = "\u2060"
FORMULA_LINE = re.compile(r"^(\$\$[^$]+\$\$)[ ]*$", re.MULTILINE)
"""A displayed formula on one line, which within a paragraph would be no formula."""
ORDERS = re.compile(
    r"\\(href|url|class|style|cssId|data|html\w*|bbox|mmlToken|require|csname|input|include\w*)(?![A-Za-z])"
)
"""TeX that reaches out of a formula: links, styles, packages, files. A formula that holds any is shown as its source."""


@cache
def parser() -> MarkdownIt:
    """The parser for answers, made once: making one costs more than reading an answer.

    A single `$` is a dollar sign, for inline maths is written in Unicode. Bare addresses stay text, because the
    linkifier takes Chinese that follows an address into the link. HTML is shown as it stands and never interpreted.
    """
    made = MarkdownIt("gfm-like", {"html": False, "linkify": False})
    dollarmath_plugin(made, double_inline=False, allow_labels=False)
    made.disable(["math_inline", "linkify"])
    made.core.ruler.push("chinese_lines", _join_chinese_lines)
    made.add_render_rule("math_block", _mathjax)
    made.add_render_rule("text", _text)
    made.add_render_rule("image", _description)
    return made


def spans(sentence: str) -> Iterator[tuple[str, str]]:
    """One sentence of inline Markdown as (kind, text): "", "strong", "em", "code" or "s", the innermost where nested.

    For renderers that draw with styles of their own; an image is its description, a link its text.
    """
    kinds = [""]
    for token in parser().parseInline(" ".join(sentence.split()))[0].children or []:
        if token.nesting == 1:
            kinds.append(token.tag if token.tag in ("strong", "em", "s") else kinds[-1])
        elif token.nesting == -1:
            kinds.pop()
        elif token.content or token.type in ("softbreak", "hardbreak"):
            yield ("code" if token.type == "code_inline" else kinds[-1]), token.content or " "


def with_breaks(text: str) -> str:
    """`text` whose lines stay lines: a break within a paragraph is one to the reader too, as in what somebody typed."""
    text = FORMULA_LINE.sub(r"\n\1\n", text).strip("\n")
    lines, tokens = text.split("\n"), parser().parse(text)
    for token in tokens:
        if token.type == "inline" and token.map:
            for number in range(token.map[0], token.map[1] - 1):
                lines[number] += "  "
    if tokens and tokens[-1].type == "fence" and not _closed(tokens[-1], lines):
        lines.append(tokens[-1].markup)  # else all that comes after it would be code
    return "\n".join(lines)


def _closed(fence: Token, lines: list[str]) -> bool:
    """Whether the last line of `fence` is the marker alone, and not the one that opens it."""
    first, end = fence.map or (0, 0)
    closer = rf" {{0,3}}{fence.markup}{fence.markup[0]}*[ \t]*"
    return end - first > 1 and re.fullmatch(closer, lines[end - 1]) is not None


def formulas(text: str) -> list[tuple[int, str]]:
    """The displayed formulas of `text` with the line (from 0) on which each begins."""
    return [(t.map[0] if t.map else 0, t.content.strip()) for t in parser().parse(text) if t.type == "math_block"]


def text_html(plain: str) -> str:
    """`plain` as HTML; a word joiner keeps what looks like the start of a formula from being one to MathJax."""
    return DELIMITER.sub(lambda sign: sign[0] + WORD_JOINER, escape(plain))


def _mathjax(self: RendererHTML, tokens: Any, index: int, options: Any, env: Any) -> str:
    tex = escape(tokens[index].content.strip(), quote=False)
    return f"<pre><code>{tex}</code></pre>\n" if ORDERS.search(tex) else f"<p>\\[{tex}\\]</p>\n"


def _text(self: RendererHTML, tokens: Any, index: int, options: Any, env: Any) -> str:
    return text_html(tokens[index].content)


def _description(self: RendererHTML, tokens: Any, index: int, options: Any, env: Any) -> str:
    """An image is its description: a remote one would tell its server who reads, and the bank has none of its own."""
    return text_html(tokens[index].content)


def _join_chinese_lines(state: StateCore) -> None:
    """A line break in the file between two Chinese characters is no space to the reader."""
    for token in state.tokens:
        children = token.children or []
        for before, here, after in zip(children, children[1:], children[2:], strict=False):
            wide = cell_len(before.content[-1:]) == 2 and cell_len(after.content[:1]) == 2
            if here.type == "softbreak" and before.type == after.type == "text" and wide:
                here.type, here.tag, here.content = "text", "", ""
