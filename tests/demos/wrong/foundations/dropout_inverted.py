"""Plausible wrong bodies of the exercises of demos/foundations/dropout_inverted.py."""


def drop__multiplies(x, kept, p):
    """Scaled down instead of up."""
    return x * kept * (1 - p)


def drop__divides_by_p(x, kept, p):
    """The probability of being dropped instead of kept."""
    return x * kept / p


def drop__keeps_the_dropped(x, kept, p):
    """The mask the other way round."""
    return x * ~kept / (1 - p)
