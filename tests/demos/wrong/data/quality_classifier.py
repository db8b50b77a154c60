"""Plausible wrong bodies of the exercises of data/quality_classifier."""

import torch


def kept_by_pareto__forgets_the_shift(scores, alpha, uniform):
    """The classical Pareto begins at 1, so every draw exceeds 1 − score."""
    return uniform ** (-1 / alpha) > 1 - scores


def kept_by_pareto__keeps_the_rest(scores, alpha, uniform):
    """Compared with the score instead of its complement."""
    return uniform ** (-1 / alpha) - 1 > scores


def auc__forgets_ties(positive, negative):
    """Only wins are counted."""
    return torch.searchsorted(negative.sort().values, positive).double().mean() / len(negative)


def auc__ranks_the_negatives(positive, negative):
    """The share of positives below each negative."""
    ordered = positive.sort().values
    both = torch.searchsorted(ordered, negative) + torch.searchsorted(ordered, negative, right=True)
    return both.double().mean() / (2 * len(ordered))
