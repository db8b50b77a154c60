"""Plausible wrong bodies of the exercises of attention/linear_attention."""

import torch.nn.functional as F


def linear__scores_first(q, k, v):
    """The right numbers, but the n × n weights are formed."""
    weights = (F.elu(q) + 1) @ (F.elu(k) + 1).T
    return weights @ v / weights.sum(1, keepdim=True)


def linear__forgets_the_sum(q, k, v):
    """The weights are not divided by their sum."""
    return (F.elu(q) + 1) @ ((F.elu(k) + 1).T @ v)


def linear__sums_over_the_queries(q, k, v):
    """The divisor is made of the queries' features instead of the keys'."""
    a, b = F.elu(q) + 1, F.elu(k) + 1
    return a @ (b.T @ v) / (a * a.sum(0)).sum(1, keepdim=True)
