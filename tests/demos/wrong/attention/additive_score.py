"""Plausible wrong bodies of the exercises of attention/additive_score."""

import torch


def additive__without_the_tanh(q, k, w_q, w_k, v):
    """A linear layer over both: a term in q plus a term in k."""
    return ((q @ w_q)[:, None] + (k @ w_k)[None]) @ v


def additive__tanh_around_the_sum(q, k, w_q, w_k, v):
    """The nonlinearity stands outside of v."""
    return torch.tanh(((q @ w_q)[:, None] + (k @ w_k)[None]) @ v)


def additive__forgets_the_keys(q, k, w_q, w_k, v):
    """Each row holds the score of the query with itself."""
    return (torch.tanh(q @ w_q) @ v)[:, None].expand(len(q), len(k))
