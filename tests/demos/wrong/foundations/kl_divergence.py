"""Plausible wrong bodies of the exercises of foundations/kl_divergence."""

import torch


def kl__turned_round(p, q):
    """KL(q‖p)."""
    return (torch.xlogy(q, q) - torch.xlogy(q, p)).sum(-1)


def kl__forgets_the_entropy(p, q):
    """The cross-entropy."""
    return -torch.xlogy(p, q).sum(-1)


def kl__mean_over_outcomes(p, q):
    """The mean over the outcomes, as F.kl_div's default reduction takes it."""
    return (torch.xlogy(p, p) - torch.xlogy(p, q)).mean(-1)
