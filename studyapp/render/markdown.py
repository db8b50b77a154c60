"""The one Markdown dialect of the bank: GitHub's, with displayed formulas between `$$` on their own lines."""

from collections.abc import Iterator
from functools import cache
from html import escape
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from mdit_py_plugins.dollarmath import dollarmath_plugin
from rich.cells import cell_len


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


def formulas(text: str) -> list[tuple[int, str]]:
    """The displayed formulas of `text` with the line (from 0) on which each begins."""
    return [(t.map[0] if t.map else 0, t.content.strip()) for t in parser().parse(text) if t.type == "math_block"]


def _mathjax(self: RendererHTML, tokens: Any, index: int, options: Any, env: Any) -> str:
    return f"<p>\\[{escape(tokens[index].content.strip(), quote=False)}\\]</p>\n"


def _join_chinese_lines(state: StateCore) -> None:
    """A line break in the file between two Chinese characters is no space to the reader."""
    for token in state.tokens:
        children = token.children or []
        for before, here, after in zip(children, children[1:], children[2:], strict=False):
            wide = cell_len(before.content[-1:]) == 2 and cell_len(after.content[:1]) == 2
            if here.type == "softbreak" and before.type == after.type == "text" and wide:
                here.type, here.tag, here.content = "text", "", ""
