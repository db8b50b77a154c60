"""Plausible wrong bodies of the exercise of pytorch/top_k."""

import torch


def top_k_mask__thresholds(scores, k):
    """All that reach the k-th largest: more than k where scores are equal."""
    return scores >= scores.topk(k, dim=-1).values[:, -1:]


def top_k_mask__marks_the_smallest(scores, k):
    """argsort rises: its first k are the smallest."""
    return torch.zeros_like(scores, dtype=torch.bool).scatter_(-1, scores.argsort(-1)[:, :k], True)


def top_k_mask__marks_columns(scores, k):
    """Every column that is best in some row is marked in all rows."""
    mask = torch.zeros_like(scores, dtype=torch.bool)
    mask[:, scores.topk(k, dim=-1).indices.flatten()] = True
    return mask
