"""Plausible wrong ways to infill; a claim of the demo refutes each."""

MASK = "[MASK]"


def infill__masks_each_token(tokens: list[str], spans: list[tuple[int, int]]) -> list[str]:
    """A mask for every hidden token."""
    hidden = {i for start, length in spans for i in range(start, start + length)}
    return [MASK if i in hidden else t for i, t in enumerate(tokens)]


def infill__drops_empty_spans(tokens: list[str], spans: list[tuple[int, int]]) -> list[str]:
    """A span of length 0 leaves no trace."""
    out, at = [], 0
    for start, length in spans:
        out += tokens[at:start] + ([MASK] if length else [])
        at = start + length
    return out + tokens[at:]


def infill__does_not_shift(tokens: list[str], spans: list[tuple[int, int]]) -> list[str]:
    """Later starts are not corrected for what was cut before."""
    out = list(tokens)
    for start, length in spans:
        out[start : start + length] = [MASK]
    return out
