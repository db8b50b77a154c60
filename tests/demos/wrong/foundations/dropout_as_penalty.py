"""Plausible wrong bodies of the exercises of demos/foundations/dropout_as_penalty.py."""


def penalty__plain_l2(x, w, p):
    """Every feature alike."""
    return p / (1 - p) * len(x) * w.square().sum()


def penalty__forgets_the_odds(x, w, p):
    """p instead of p/(1 − p)."""
    return p * (w**2 * x.square().sum(0)).sum()


def penalty__squares_the_sum(x, w, p):
    """The features' contributions are added before they are squared."""
    return p / (1 - p) * (x @ w).square().sum()
