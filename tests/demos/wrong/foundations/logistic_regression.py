"""Plausible wrong bodies of the exercises of foundations/logistic_regression."""


def gradient__turned_round(x, y, w):
    """Target minus prediction: a step along it climbs."""
    return x.T @ (y - (x @ w).sigmoid()) / len(y)


def gradient__with_the_slope_of_sigmoid(x, y, w):
    """The gradient of half the squared error."""
    p = (x @ w).sigmoid()
    return x.T @ ((p - y) * p * (1 - p)) / len(y)


def gradient__summed(x, y, w):
    """The sum over the rows, not the mean."""
    return x.T @ ((x @ w).sigmoid() - y)
