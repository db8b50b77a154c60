"""Plausible wrong bodies of the importance of selection blocks; a claim of the demo refutes each."""

import torch
from torch import Tensor


def importance__ignores_the_overlap(p: Tensor, blocks: int, compress: int, stride: int, block: int) -> Tensor:
    """Each compressed block counts once, for the selection block in which it starts."""
    out = p.new_zeros(*p.shape[:-1], blocks)
    for i in range(p.shape[-1]):
        out[..., min(i * stride // block, blocks - 1)] += p[..., i]
    return out


def importance__starts_one_block_late(p: Tensor, blocks: int, compress: int, stride: int, block: int) -> Tensor:
    """Equation 9 as printed, with blocks counted from 0."""
    out = p.new_zeros(*p.shape[:-1], blocks)
    for j in range(blocks):
        for m in range(block // stride):
            for n in range(compress // stride):
                if 0 <= (i := block // stride * j - m - n) < p.shape[-1]:
                    out[..., j] += p[..., i]
    return out


def importance__averages(p: Tensor, blocks: int, compress: int, stride: int, block: int) -> Tensor:
    """The mean over the pieces of a block, where the sum is wanted."""
    pieces = torch.arange(blocks * block // stride)
    covering = pieces[:, None] - torch.arange(compress // stride)
    known = (covering >= 0) & (covering < p.shape[-1])
    per_piece = (p[..., covering.clamp(0, p.shape[-1] - 1)] * known).sum(-1)
    return per_piece.unflatten(-1, (blocks, -1)).mean(-1)
