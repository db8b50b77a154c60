"""What a learner might write instead."""

import torch


def top_p__leaves_out_the_crossing_token(p, mass):
    order = p.argsort(descending=True)
    kept = torch.zeros_like(p).scatter(0, order, (p[order].cumsum(0) <= mass).to(p.dtype)) * p
    return kept / kept.sum().clamp(min=1e-300)


def top_p__keeps_tokens_above_the_mass(p, mass):
    """A threshold on each token by itself."""
    kept = p * (p >= min(1 - mass, p.max().item()))
    return kept / kept.sum()


def top_p__forgets_to_renormalise(p, mass):
    order = p.argsort(descending=True)
    before = p[order].cumsum(0) - p[order]
    return torch.zeros_like(p).scatter(0, order, (before < mass).to(p.dtype)) * p


def top_p__forgets_to_unsort(p, mass):
    """The mask stands in sorted order, the probabilities do not."""
    sorted_p = p.sort(descending=True)[0]
    kept = p * (sorted_p.cumsum(0) - sorted_p < mass)
    return kept / kept.sum()
