"""Plausible wrong bodies of the exercises of attention/softmax_backward."""


def softmax_backward__without_the_row_term(p, dp):
    """As if each score moved its own probability in proportion."""
    return p * dp


def softmax_backward__diagonal_of_the_jacobian(p, dp):
    """The derivative of a sigmoid, for each score alone."""
    return p * (1 - p) * dp


def softmax_backward__plain_mean(p, dp):
    """The average over the keys, not weighted by P."""
    return p * (dp - dp.mean(-1, keepdim=True))


def softmax_backward__sums_columns(p, dp):
    """The sum over the queries of a key instead of the keys of a query."""
    return p * (dp - (dp * p).sum(0, keepdim=True))
