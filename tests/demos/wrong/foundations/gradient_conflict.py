"""Plausible wrong bodies of the exercises of foundations/gradient_conflict."""


def project__always_projects(g, other):
    """The part along the other is taken off where the two agree as well."""
    return g - (g @ other) / (other @ other) * other


def project__onto_the_other(g, other):
    """The part along the other is what is kept."""
    dot = g @ other
    return dot / (other @ other) * other if dot < 0 else g


def project__forgets_the_length(g, other):
    """Not divided by the other's squared length."""
    dot = g @ other
    return g - dot * other if dot < 0 else g
