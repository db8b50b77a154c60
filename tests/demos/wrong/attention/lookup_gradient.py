"""Plausible wrong bodies of the exercises of attention/lookup_gradient."""


def jacobian__without_the_means(query, keys, values, beta):
    """The second moment of values and keys, not their covariance."""
    w = (beta * keys @ query).softmax(0)
    return beta * (w[:, None] * values).T @ keys


def jacobian__forgets_beta(query, keys, values, beta):
    """The inner derivative of β·q·k is missing."""
    w = (beta * keys @ query).softmax(0)
    return (w[:, None] * (values - w @ values)).T @ (keys - w @ keys)


def jacobian__unweighted(query, keys, values, beta):
    """The covariance over the pairs, as if all weights were equal."""
    return beta * (values - values.mean(0)).T @ (keys - keys.mean(0)) / len(keys)
