"""What a learner might write instead."""


def rag_sequence__mixes_per_token(prior, tokens):
    """That is RAG-Token."""
    return (prior[:, None] * tokens).sum(0).prod()


def rag_sequence__takes_the_best_passage(prior, tokens):
    """Top one instead of the mixture."""
    return tokens.prod(1)[prior.argmax()]


def rag_sequence__averages_logarithms(prior, tokens):
    """A geometric mean."""
    return (prior * tokens.prod(1).clamp_min(1e-30).log()).sum().exp()


def rag_token__mixes_per_answer(prior, tokens):
    """That is RAG-Sequence."""
    return (prior * tokens.prod(1)).sum()


def rag_token__forgets_the_prior(prior, tokens):
    """A plain mean over the passages."""
    return tokens.mean(0).prod()
