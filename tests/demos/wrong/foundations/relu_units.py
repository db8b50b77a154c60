"""Plausible wrong bodies of the exercise of foundations/relu_units."""


def weight_gradient__passes_all(dy, x, w, b):
    """Backward as a pass-through, whoever was active."""
    return dy @ x


def weight_gradient__passes_the_output(dy, x, w, b):
    """The output in place of the mask."""
    return (dy * (x @ w + b).relu()) @ x


def weight_gradient__averages(dy, x, w, b):
    """The mean over the samples instead of the sum."""
    active = x @ w + b > 0
    return dy[active] @ x[active] / len(x)
