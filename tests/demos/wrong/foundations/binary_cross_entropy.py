"""Plausible wrong bodies of the exercises of foundations/binary_cross_entropy."""

import torch


def binary_cross_entropy__sigmoid_then_log(z, y):
    """1 − σ(z) rounds to 0."""
    p = z.sigmoid()
    return -(torch.xlogy(y, p) + torch.xlogy(1 - y, 1 - p))


def binary_cross_entropy__softplus_written_out(z, y):
    """log(1 + exp(z)) overflows at 89 in fp32."""
    return (1 + z.exp()).log() - y * z


def binary_cross_entropy__one_sided(z, y):
    """Only the term of the positive label."""
    return y * ((-z).clamp(min=0) + (-z.abs()).exp().log1p())
