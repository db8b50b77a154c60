"""Displayed formulas as two-dimensional Unicode."""

import re

from rich.cells import cell_len

WIDTH = 76
LOW_Q = re.compile(r"(?<!\S)ꟴ")
"""The raised Q that TeXicode puts below a letter, in few fonts: below it a plain one reads as well."""


def formula(tex: str) -> list[str]:
    """The rows of `tex` drawn in Unicode, all of one width; where it cannot be drawn, the TeX itself, line by line."""
    rows = _drawn(tex)
    if rows is None or _complaint(rows) is not None:
        return tex.strip().splitlines() or [""]
    return rows


def formula_problem(tex: str) -> str | None:
    """Why `tex` cannot stand on a card, or None where it can."""
    if not tex.strip():
        return "the formula is empty"
    rows = _drawn(tex)
    if rows is None:
        return "TeXicode cannot draw it"
    complaint = _complaint(rows)
    if complaint is not None:
        return complaint
    width = max(map(cell_len, rows), default=0)
    return f"it is {width} cells wide, more than {WIDTH}" if width > WIDTH else None


def _drawn(tex: str) -> list[str] | None:
    from texicode.pipeline import render_tex

    flat = " ".join(tex.split())
    try:
        drawn: str = render_tex(flat, False, False, "raw", {"fonts": "normal"})
    except Exception:
        return None
    rows = [LOW_Q.sub("Q", row.rstrip()) for row in drawn.splitlines()] or [""]
    margin = min((len(row) - len(row.lstrip()) for row in rows if row), default=0)
    rows = [row[margin:] for row in rows]
    width = max(map(cell_len, rows))
    return [row + " " * (width - cell_len(row)) for row in rows]


def _complaint(rows: list[str]) -> str | None:
    text = "\n".join(rows)
    if "TeXicode:" in text:
        return " ".join(text.split())
    if "?" in text:
        return "it holds a command that TeXicode draws as «?»"
    return None
