"""Plausible wrong bodies of multi-head attention; a claim of the demo refutes each."""

from torch import Tensor


def multi_head__scales_by_the_width(x: Tensor, w: Tensor, heads: int) -> Tensor:
    """Scores are divided by √D, and d_k is D/h."""
    q, k, v = ((x @ m).unflatten(-1, (heads, -1)).transpose(0, 1) for m in w[:3])
    p = (q @ k.transpose(-1, -2) / x.shape[-1] ** 0.5).softmax(-1)
    return (p @ v).transpose(0, 1).flatten(1) @ w[3]


def multi_head__takes_every_h_th_column(x: Tensor, w: Tensor, heads: int) -> Tensor:
    """Head i owns columns i, i + h, i + 2h …"""
    q, k, v = ((x @ m).unflatten(-1, (-1, heads)).permute(2, 0, 1) for m in w[:3])
    p = (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).softmax(-1)
    return (p @ v).transpose(0, 1).flatten(1) @ w[3]


def multi_head__merges_without_transpose(x: Tensor, w: Tensor, heads: int) -> Tensor:
    """The heads are reshaped, and not put side by side."""
    q, k, v = ((x @ m).unflatten(-1, (heads, -1)).transpose(0, 1) for m in w[:3])
    p = (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).softmax(-1)
    return (p @ v).reshape(x.shape) @ w[3]
