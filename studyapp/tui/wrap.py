"""Textual breaks its lines as Chinese and Latin want them, not before each run of Chinese."""

import textual.content

from studyapp.render.linebreak import divide_line


def install() -> None:
    """Let Textual break lines so."""
    textual.content.divide_line = divide_line  # type: ignore[attr-defined]
