"""Plausible wrong bodies of the exercise of finetuning/forgetting_remedies."""

import torch


def replay__averages_the_weights(a, b, old, new, share):
    """Mixing data is taken for mixing weights."""
    return share * a + (1 - share) * b


def replay__forgets_the_curvature(a, b, old, new, share):
    """The right-hand side lacks the curvatures."""
    return torch.linalg.solve(share * old + (1 - share) * new, share * a + (1 - share) * b)
