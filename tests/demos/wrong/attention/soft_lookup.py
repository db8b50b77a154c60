"""Plausible wrong bodies of the exercises of attention/soft_lookup."""

import torch


def lookup__softmax_over_the_queries(query, keys, values, beta, allowed=None):
    """Each key's weights sum to 1 instead of each query's."""
    scores = beta * query @ keys.T
    if allowed is not None:
        scores = scores.masked_fill(~allowed, -1e9)
    return scores.softmax(0) @ values


def lookup__forgets_beta(query, keys, values, beta, allowed=None):
    """The scores are not scaled."""
    scores = query @ keys.T
    if allowed is not None:
        scores = scores.masked_fill(~allowed, -torch.inf)
    return scores.softmax(-1) @ values


def lookup__masks_after_the_softmax(query, keys, values, beta, allowed=None):
    """Hidden keys get weight 0, but the rest does not sum to 1."""
    weights = (beta * query @ keys.T).softmax(-1)
    if allowed is not None:
        weights = weights * allowed
    return weights @ values
