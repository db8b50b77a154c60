"""Plausible wrong bodies of scaled dot-product attention; a claim of the demo refutes each."""

import torch
from torch import Tensor


def attention__forgets_the_scale(q: Tensor, k: Tensor, v: Tensor, visible: Tensor) -> tuple[Tensor, Tensor]:
    """Scores are not divided by √d_k."""
    weights = (q @ k.transpose(-1, -2)).masked_fill(~visible, -torch.inf).softmax(-1)
    return weights @ v, weights


def attention__softmax_over_the_queries(q: Tensor, k: Tensor, v: Tensor, visible: Tensor) -> tuple[Tensor, Tensor]:
    """The softmax runs along the wrong of two axes of the same length."""
    scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
    weights = scores.masked_fill(~visible, -torch.inf).softmax(-2)
    return weights @ v, weights


def attention__zeroes_after_softmax(q: Tensor, k: Tensor, v: Tensor, visible: Tensor) -> tuple[Tensor, Tensor]:
    """The mask multiplies the weights, so the hidden scores stay in the denominator."""
    weights = (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).softmax(-1) * visible
    return weights @ v, weights
