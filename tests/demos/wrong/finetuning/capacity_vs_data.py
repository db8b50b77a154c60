"""Plausible wrong bodies of the exercise of finetuning/capacity_vs_data."""

import torch


def fit__truncates_the_weights(x, y, rank):
    """As if the first outputs were the principal directions."""
    w = torch.linalg.solve(x.mT @ x, x.mT @ y)
    w[..., rank:] = 0
    return w


def fit__keeps_the_smallest(x, y, rank):
    """The last directions instead of the first."""
    w = torch.linalg.solve(x.mT @ x, x.mT @ y)
    directions = torch.linalg.eigh(w.mT @ x.mT @ x @ w).eigenvectors[..., :rank]
    return w @ directions @ directions.mT
