"""Plausible wrong bodies of the group kernel; a claim of the demo refutes each."""

import torch
from torch import Tensor


def group_kernel__forgets_to_rescale(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """What was summed before the maximum rose stays as it was."""
    highest, total, sums = torch.full((len(q), 1), -torch.inf, dtype=q.dtype), 0.0, 0.0
    for k_block, v_block in zip(k, v, strict=True):
        s = q @ k_block.T / q.shape[-1] ** 0.5
        highest = torch.maximum(highest, s.amax(1, keepdim=True))
        p = (s - highest).exp()
        total, sums = total + p.sum(1, keepdim=True), sums + p @ v_block
    return sums / total


def group_kernel__keeps_the_first_maximum(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Every block has its own maximum, and their outputs are averaged."""
    outputs = [(q @ kb.T / q.shape[-1] ** 0.5).softmax(-1) @ vb for kb, vb in zip(k, v, strict=True)]
    return torch.stack(outputs).mean(0)


def group_kernel__sums_without_dividing(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """The sum of the weights is forgotten."""
    s = q @ k.flatten(0, 1).T / q.shape[-1] ** 0.5
    return (s - s.amax(1, keepdim=True)).exp() @ v.flatten(0, 1)
