"""Plausible wrong decode steps of cross-attention; a claim of the demo refutes each."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def step__appends_the_newest(h: Tensor, cache: Tensor, w: nn.MultiheadAttention) -> Tensor:
    """The target's own key and value join the memory, as in self-attention."""
    width = h.shape[1]
    q = F.linear(h, w.in_proj_weight[:width], w.in_proj_bias[:width])
    q = q.unflatten(1, (w.num_heads, 1, -1)).squeeze(0)
    k, v = torch.cat((cache, q.expand(2, *q.shape)), 2)
    p = (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1)
    return w.out_proj((p @ v).transpose(0, 1).flatten(1))


def step__forgets_the_scale(h: Tensor, cache: Tensor, w: nn.MultiheadAttention) -> Tensor:
    """No division by the root of the head width."""
    width = h.shape[1]
    q = F.linear(h, w.in_proj_weight[:width], w.in_proj_bias[:width])
    q = q.unflatten(1, (w.num_heads, 1, -1)).squeeze(0)
    k, v = cache
    return w.out_proj(((q @ k.mT).softmax(-1) @ v).transpose(0, 1).flatten(1))


def step__softmax_over_heads(h: Tensor, cache: Tensor, w: nn.MultiheadAttention) -> Tensor:
    """Normalised over the wrong axis."""
    width = h.shape[1]
    q = F.linear(h, w.in_proj_weight[:width], w.in_proj_bias[:width])
    q = q.unflatten(1, (w.num_heads, 1, -1)).squeeze(0)
    k, v = cache
    p = (q @ k.mT / q.shape[-1] ** 0.5).softmax(0)
    return w.out_proj((p @ v).transpose(0, 1).flatten(1))
