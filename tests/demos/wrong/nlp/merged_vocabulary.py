"""What a learner might write instead."""

import itertools


def encode__longest_match(text, scores):
    """WordPiece's way: the longest piece from the left."""
    parts = []
    while text:
        size = max((n for n in range(1, len(text) + 1) if text[:n] in scores), default=1)
        parts.append(text[:size])
        text = text[size:]
    return parts


def encode__lowest_score_first(text, scores):
    """The last merge first."""
    parts = list(text)
    while True:
        joins = [(scores[a + b], i) for i, (a, b) in enumerate(itertools.pairwise(parts)) if a + b in scores]
        if not joins:
            return parts
        _, i = min(joins)
        parts[i : i + 2] = [parts[i] + parts[i + 1]]


def encode__one_round(text, scores):
    """Joins characters once and stops: no piece of three."""
    parts, out = list(text), []
    while parts:
        if len(parts) > 1 and parts[0] + parts[1] in scores:
            out.append(parts.pop(0) + parts.pop(0))
        else:
            out.append(parts.pop(0))
    return out
