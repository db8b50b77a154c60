"""Plausible wrong bodies of the exercise of normalization/batch_coupling."""


def statistics__unbiased_inside(x, keep):
    """The variance divided by n − 1, as running_var has it."""
    kept = x[keep]
    return kept.mean(0), kept.var(0)


def statistics__per_position(x, keep):
    """Those of the first position alone, over the batch."""
    first = x[:, 0]
    mean = first.mean(0)
    return mean, (first - mean).square().mean(0)


def statistics__keeps_the_padding(x, keep):
    """All tokens, padding among them."""
    flat = x.flatten(0, 1)
    mean = flat.mean(0)
    return mean, (flat - mean).square().mean(0)


def statistics__divides_by_all(x, keep):
    """A mean square instead of a variance."""
    kept = x[keep]
    return kept.mean(0), kept.square().mean(0)
