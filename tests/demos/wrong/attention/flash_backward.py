"""Plausible wrong bodies of the exercises of attention/flash_backward."""

import torch


def backward__forgets_the_row_sum(q, k, v, o, lse, do):
    """The softmax's Jacobian without its second term."""
    root = q.shape[1] ** 0.5
    p = torch.exp(q @ k.T / root - lse)
    ds = p * (do @ v.T) / root
    return ds @ k, ds.T @ q, p.T @ do


def backward__rebuilds_without_the_scale(q, k, v, o, lse, do):
    """P is rebuilt from scores that were not divided by √d."""
    root = q.shape[1] ** 0.5
    p = torch.exp(q @ k.T - lse)
    ds = p * (do @ v.T - (do * o).sum(1, keepdim=True)) / root
    return ds @ k, ds.T @ q, p.T @ do


def backward__leaves_the_scale_out_of_dq(q, k, v, o, lse, do):
    """The right gradients of K and V, but dQ misses the division by √d."""
    root = q.shape[1] ** 0.5
    p = torch.exp(q @ k.T / root - lse)
    ds = p * (do @ v.T - (do * o).sum(1, keepdim=True))
    return ds @ k, ds.T @ q / root, p.T @ do
