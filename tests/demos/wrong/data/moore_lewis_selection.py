"""Plausible wrong bodies of the exercise of data/moore_lewis_selection."""


def moore_lewis__adds_up_the_tokens(counts, domain, general):
    """A sum, which long documents dominate."""
    return counts @ (domain - general)


def moore_lewis__forgets_the_general_model(counts, domain, general):
    """Likelihood under the domain model alone."""
    return counts @ domain / counts.sum(1)
