"""What a learner might write instead."""

Z = 1.959964


def clustered_error__counts_items_alone(right):
    """The binomial error, as if no two items belonged together."""
    p = right.mean((-2, -1))
    return (p * (1 - p) / (right.shape[-2] * right.shape[-1])).sqrt()


def clustered_error__counts_passages_alone(right):
    """As if a passage were one item that is right or wrong."""
    p = right.mean((-2, -1))
    return (p * (1 - p) / right.shape[-2]).sqrt()


def clustered_error__forgets_the_cross_terms(right):
    """Squared before it is summed: the covariances within a passage are lost."""
    deviation = right - right.mean((-2, -1), keepdim=True)
    return deviation.square().sum((-2, -1)).sqrt() / (right.shape[-2] * right.shape[-1])


def wilson__centres_on_the_score(score, n):
    half = Z * (score * (1 - score) / n + Z * Z / (4 * n * n)).sqrt() / (1 + Z * Z / n)
    return score - half, score + half


def wilson__forgets_the_second_term(score, n):
    centre = (score + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z * (score * (1 - score) / n).sqrt() / (1 + Z * Z / n)
    return centre - half, centre + half
