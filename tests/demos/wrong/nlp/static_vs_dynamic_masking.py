"""Plausible wrong bodies of static masks; a claim of the demo refutes each."""

import torch
from torch import Tensor


def static_masks__draws_every_time(tokens: int, epochs: int, copies: int, share: float) -> Tensor:
    """RoBERTa's dynamic masks."""
    return torch.rand(epochs, tokens) < share


def static_masks__one_mask_for_all(tokens: int, epochs: int, copies: int, share: float) -> Tensor:
    """The same mask in every epoch: what is often said of BERT."""
    return (torch.rand(1, tokens) < share).expand(epochs, tokens)


def static_masks__moves_on_too_late(tokens: int, epochs: int, copies: int, share: float) -> Tensor:
    """Each mask serves `copies` epochs in a row, so most are never reached."""
    drawn = torch.rand(copies, tokens) < share
    return torch.stack([drawn[min(epoch // copies, copies - 1)] for epoch in range(epochs)])
