"""How a number is drawn in a line of text."""

from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size
from textual.content import Content

INLINE = {"": "", "strong": "bold", "em": "italic", "code": "$text-accent", "s": "strike"}

BLOCKS = "▁▂▃▄▅▆▇█"


def sparkline(numbers: Sequence[float]) -> str:
    """A row of blocks, the highest full."""
    top = max(numbers, default=0)
    return "".join(BLOCKS[round(n / top * (len(BLOCKS) - 1))] if top else BLOCKS[0] for n in numbers)


def gauge(share: float, width: int) -> Content:
    """A bar that is full at 1."""
    full = round(max(0.0, min(1.0, share)) * width)
    return Content.assemble(Content.styled("━" * full, "$accent"), Content.styled("─" * (width - full), "$foreground-muted"))


def pad(text: str, width: int, right: bool = False) -> str:
    """A text made exactly as many cells wide; what is cut ends in «…»."""
    if right:
        return " " * max(0, width - cell_len(text)) + text
    return set_cell_size(text, width - 1) + "…" if cell_len(text) > width else set_cell_size(text, width)


def hanging(head: Content, text: Content, width: int, indent: int) -> Content:
    """`text` beside `head`, its further lines `indent` cells in; below it where there is no room beside."""
    room = max(16, width - indent)
    first, *rest = text.wrap(room) or [Content()]
    lines = [head.pad_right(max(0, indent - head.cell_length)) + first, *(line.pad_left(indent) for line in rest)]
    return Content("\n").join(line.rstrip() for line in lines)


def inline(sentence: str) -> Content:
    """A sentence with inline Markdown, drawn: code and emphasis are seen, their signs are not."""
    from studyapp.render.markdown import spans  # Home draws bars alone, and its first frame does without the parser

    return Content.assemble(*(Content.styled(text, INLINE[kind]) for kind, text in spans(sentence)))
