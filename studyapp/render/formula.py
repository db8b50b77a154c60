"""Displayed formulas as two-dimensional Unicode."""

from functools import lru_cache

from rich.cells import cell_len

from studyapp.render.tex import Unreadable, prepared, revealed

WIDTH = 76


def formula(tex: str) -> list[str]:
    """The rows of `tex` drawn in Unicode, all of one width; where it cannot be drawn, the TeX itself, line by line."""
    rows = _best(tex)
    if isinstance(rows, str):
        return tex.strip().splitlines() or [""]
    return list(rows)


def formula_problem(tex: str) -> str | None:
    """Why `tex` cannot stand on a card, or None where it can."""
    if not tex.strip():
        return "the formula is empty"
    rows = _best(tex)
    if isinstance(rows, str):
        return rows
    width = max(map(cell_len, rows), default=0)
    return f"it is {width} cells wide, more than {WIDTH}" if width > WIDTH else None


@lru_cache(maxsize=1024)
def _best(tex: str) -> tuple[str, ...] | str:
    """The rows with room round operators, without where they would be too wide; or why there are none."""
    roomy = _drawn(tex, True)
    if isinstance(roomy, str) or max(map(cell_len, roomy), default=0) <= WIDTH:
        return roomy
    return _drawn(tex, False)


def _drawn(tex: str, roomy: bool) -> tuple[str, ...] | str:
    from texicode.pipeline import render_tex

    try:
        drawn: str = render_tex(prepared(tex, roomy), False, False, "raw", {"fonts": "normal"})
    except Unreadable as error:
        return str(error)
    except Exception:  # TeXicode raises whatever its lists raise
        return "TeXicode cannot draw it"
    if "TeXicode:" in drawn:
        return " ".join(drawn.split())
    if "?" in drawn:
        return "it holds a command that TeXicode draws as «?»"
    rows = [row.rstrip() for row in revealed(drawn).splitlines()]
    while rows and not rows[0]:
        rows.pop(0)
    while rows and not rows[-1]:
        rows.pop()
    rows = rows or [""]
    margin = min((len(row) - len(row.lstrip()) for row in rows if row), default=0)
    rows = [row[margin:] for row in rows]
    width = max(map(cell_len, rows))
    return tuple(row + " " * (width - cell_len(row)) for row in rows)
