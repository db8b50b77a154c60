"""Plausible wrong bodies of the exercise of pytorch/selective_logprob."""


def selective_logprob__leaves_out_the_normaliser(logits, ids):
    """The logit alone is no log-probability."""
    return logits.gather(-1, ids.unsqueeze(-1)).squeeze(-1)


def selective_logprob__logs_the_softmax(logits, ids):
    """A probability that rounds to 0 has no logarithm."""
    return logits.softmax(-1).gather(-1, ids.unsqueeze(-1)).squeeze(-1).log()


def selective_logprob__keeps_the_table(logits, ids):
    """Right numbers, and a second tensor as large as the logits kept for backward."""
    return logits.log_softmax(-1).gather(-1, ids.unsqueeze(-1)).squeeze(-1)


def selective_logprob__normalises_over_tokens(logits, ids):
    """The log-sum-exp of a column, over tokens instead of the vocabulary."""
    return logits.gather(-1, ids.unsqueeze(-1)).squeeze(-1) - logits.logsumexp(0)[ids]
