"""Plausible wrong bodies of the exercise of foundations/activation_nonlinearity."""


def xor__makes_or(x):
    """The second unit subtracted once: (1, 1) keeps a 1."""
    total = x.sum(-1)
    return total.relu() - (total - 1).relu()


def xor__makes_and(x):
    """The second unit alone."""
    return (x.sum(-1) - 1).relu()


def xor__without_the_bias(x):
    """Two units without a bias."""
    return (x[:, 0] - x[:, 1]).relu() - (x[:, 1] - x[:, 0]).relu()
