"""Plausible wrong bodies of attention that hides one key; a claim of the demo refutes each."""

import torch
from torch import Tensor


def attend__masks_the_row(q: Tensor, k: Tensor, v: Tensor, hidden: int) -> Tensor:
    """The hidden position's own query loses its scores; everybody still reads its key."""
    scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
    scores[..., hidden, :] = -1e9
    return scores.softmax(-1) @ v


def attend__zeroes_the_value(q: Tensor, k: Tensor, v: Tensor, hidden: int) -> Tensor:
    """Its value is gone, but its key still takes weight, and how much tells the token."""
    v = v.clone()
    v[..., hidden, :] = 0
    return (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).softmax(-1) @ v


def attend__hides_from_itself_only(q: Tensor, k: Tensor, v: Tensor, hidden: int) -> Tensor:
    """Only the diagonal is masked."""
    scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
    scores[..., hidden, hidden] = -torch.inf
    return scores.softmax(-1) @ v
