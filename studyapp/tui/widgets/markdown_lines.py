"""Markdown as lines of a width, for one widget to draw: Textual's own lays out a widget for each paragraph and cell."""

from collections.abc import Iterable, Iterator
from functools import lru_cache

from markdown_it.tree import SyntaxTreeNode
from rich.cells import cell_len
from textual.content import Content
from textual.highlight import highlight

from studyapp.render.formula import formula
from studyapp.render.markdown import parser
from studyapp.tui.widgets.markdown_inline import NARROWEST, Line, inline, wrapped
from studyapp.tui.widgets.markdown_table import Column, table_lines

BULLETS = ("•", "▪", "‣", "◦")
BLANK = Line(Content())
FORMULA_INDENT = 2


@lru_cache(maxsize=64)
def markdown_lines(text: str, width: int, as_tex: bool = False) -> tuple[Line, ...]:
    """The lines of a text, at most `width` cells each; formulas drawn, or `as_tex`."""
    return tuple(_blocks(_parsed(text).children, max(NARROWEST, width), as_tex))


@lru_cache(maxsize=64)
def _parsed(text: str) -> SyntaxTreeNode:
    return SyntaxTreeNode(parser().parse(text))


def _blocks(nodes: Iterable[SyntaxTreeNode], width: int, as_tex: bool, depth: int = 0) -> Iterator[Line]:
    """One block after the other, a line between them unless they are those of a tight list."""
    before: SyntaxTreeNode | None = None
    for node in nodes:
        if before is not None and not _is_tight(before) and not _is_tight(node):
            yield BLANK
        yield from _block(node, width, as_tex, depth)
        before = node


def _is_tight(node: SyntaxTreeNode) -> bool:
    """Whether a block stands in a list without blank lines."""
    return (node.type == "paragraph" and node.hidden) or (
        node.type == "list_item" and all(map(_is_tight, node.children[:1]))
    )


def _block(node: SyntaxTreeNode, width: int, as_tex: bool, depth: int) -> Iterator[Line]:
    match node.type:
        case "heading":
            yield from wrapped(
                inline(node).stylize("bold $accent" if node.tag != "h1" else "bold underline $accent"), width
            )
        case "bullet_list" | "ordered_list":
            yield from _list(node, width, as_tex, depth)
        case "blockquote":
            bar = Content.styled("▌ ", "$accent 60%")
            yield from (line.after(bar) for line in _blocks(node.children, width - 2, as_tex, depth))
        case "table":
            yield from map(Line, table_lines(_columns(node), width))
        case "fence" | "code_block":
            yield from _code(node, width)
        case "hr":
            yield Line(Content.styled("─" * width, "$foreground 40%"))
        case kind if kind.startswith("math_block"):
            yield from _formula(node.content.strip(), width, as_tex)
        case _:
            yield from wrapped(inline(node), width)


def _list(node: SyntaxTreeNode, width: int, as_tex: bool, depth: int) -> Iterator[Line]:
    items, ordered = node.children, node.type == "ordered_list"
    first = int(node.attrs.get("start", 1)) if ordered else 1
    signs = [f" {n}. " if ordered else f"{BULLETS[depth % len(BULLETS)]} " for n in range(first, first + len(items))]
    indent = max(map(cell_len, signs), default=0)
    for number, (item, sign) in enumerate(zip(items, signs, strict=True)):
        if number and not _is_tight(item):
            yield BLANK
        head: Content | str = Content.styled(sign.rjust(indent), ".bullet")
        for line in [*_blocks(item.children, width - indent, as_tex, depth + 1)] or [BLANK]:
            yield line.after(head)
            head = " " * indent


def _columns(table: SyntaxTreeNode) -> list[Column]:
    rows = [row.children for part in table.children for row in part.children]
    columns = zip(*rows, strict=True)  # the parser gives every row as many cells as the head has
    return [Column(tuple(map(inline, cells)), "right" in str(cells[0].attrs.get("style", ""))) for cells in columns]


def _code(node: SyntaxTreeNode, width: int) -> Iterator[Line]:
    """Code in its colours, on a ground of its own; a long line goes on in the next."""
    code = highlight(
        node.content.rstrip("\n").expandtabs(4), language=node.info.split()[0] if node.info.strip() else "text"
    )
    for line in code.split("\n", allow_blank=True):
        pieces = line.fold(width - 2) if line.cell_length > width - 2 else [line]
        for number, piece in enumerate(pieces, 1):
            ground = piece.pad_left(1).pad_right(max(0, width - 1 - piece.cell_length)).stylize_before(".code")
            yield Line(ground, "\n" if number == len(pieces) else "")


def _formula(tex: str, width: int, as_tex: bool) -> Iterator[Line]:
    """A displayed formula, drawn in two dimensions; a drawing that the column is too narrow for would be cut: its TeX can be broken."""
    room = width - FORMULA_INDENT
    rows = tex.splitlines() if as_tex else formula(tex)
    if max(map(cell_len, rows), default=0) > room:
        rows = tex.splitlines()
    for row in rows:
        for line in wrapped(Content.styled(row, "$text-accent"), room):
            yield Line(line.text.pad_left(FORMULA_INDENT), line.joint, tex)
