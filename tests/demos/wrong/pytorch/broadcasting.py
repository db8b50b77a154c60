"""Plausible wrong bodies of the exercise of pytorch/broadcasting."""


def broadcast_shape__aligns_left(a, b):
    """Missing dimensions are taken to come behind."""
    rank = max(len(a), len(b))
    a, b = tuple(a) + (1,) * (rank - len(a)), tuple(b) + (1,) * (rank - len(b))
    if any(m != n and 1 not in (m, n) for m, n in zip(a, b, strict=True)):
        return None
    return tuple(n if m == 1 else m for m, n in zip(a, b, strict=True))


def broadcast_shape__takes_the_larger(a, b):
    """The shape with more dimensions, as if the other were always repeated as a whole."""
    return tuple(a) if len(a) >= len(b) else tuple(b)
