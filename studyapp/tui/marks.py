"""The signs of `lab.verdict` in the colours of the theme."""

from collections.abc import Mapping

from studyapp.lab.verdict import Mark, Style

STYLES: Mapping[Style, str] = {
    "success": "$success",
    "warning": "$warning",
    "error": "bold $error",
    "muted": "$foreground-muted",
}


def drawn(mark: Mark) -> tuple[str, str]:
    """A mark's sign, and its style for Content."""
    return mark.text, STYLES[mark.sign.style]
