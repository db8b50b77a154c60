"""Plausible wrong bodies of BERT's corruption; a claim of the demo refutes each."""

import torch
from torch import Tensor

IGNORE = -100


def corrupt__always_masks(ids: Tensor, mask: int, share: float = 0.15) -> tuple[Tensor, Tensor]:
    """Every chosen token becomes [MASK]."""
    chosen = torch.rand(len(ids)) < share
    return ids.masked_fill(chosen, mask), ids.masked_fill(~chosen, IGNORE)


def corrupt__labels_only_what_changed(ids: Tensor, mask: int, share: float = 0.15) -> tuple[Tensor, Tensor]:
    """The tokens that stay unchanged are not asked."""
    chosen, die = torch.rand(len(ids)) < share, torch.rand(len(ids))
    inputs = ids.masked_fill(chosen & (die < 0.8), mask)
    inputs = torch.where(chosen & (die >= 0.8) & (die < 0.9), torch.randint(mask, ids.shape), inputs)
    return inputs, torch.where(inputs == ids, IGNORE, ids)


def corrupt__labels_everything(ids: Tensor, mask: int, share: float = 0.15) -> tuple[Tensor, Tensor]:
    """Every token is a target: most of them can be copied."""
    chosen, die = torch.rand(len(ids)) < share, torch.rand(len(ids))
    inputs = ids.masked_fill(chosen & (die < 0.8), mask)
    inputs = torch.where(chosen & (die >= 0.8) & (die < 0.9), torch.randint(mask, ids.shape), inputs)
    return inputs, ids
