"""Plausible wrong bodies of cross-attention; a claim of the demo refutes each."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def cross_attention__swaps_the_roles(h: Tensor, memory: Tensor, w: nn.MultiheadAttention) -> Tensor:
    """The memory asks, and what it hears is averaged for the target."""
    out = w(memory, h, h, need_weights=False)[0]
    return out.mean(0, keepdim=True).expand_as(h)


def cross_attention__masks_the_source(h: Tensor, memory: Tensor, w: nn.MultiheadAttention) -> Tensor:
    """A causal mask over the source."""
    hidden = torch.ones(len(h), len(memory), dtype=torch.bool).triu(1)
    return w(h, memory, memory, attn_mask=hidden, need_weights=False)[0]


def cross_attention__attends_to_itself(h: Tensor, memory: Tensor, w: nn.MultiheadAttention) -> Tensor:
    """Only the values come from the memory's mean; the weights are the target's own."""
    w_q, w_k, w_v = w.in_proj_weight.chunk(3)
    p = (F.linear(h, w_q) @ F.linear(h, w_k).T / h.shape[-1] ** 0.5).softmax(-1)
    return w.out_proj(p @ F.linear(h + memory.mean(0), w_v))
