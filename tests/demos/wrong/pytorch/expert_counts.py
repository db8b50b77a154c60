"""Plausible wrong bodies of the exercise of pytorch/expert_counts."""

import torch


def dispatch__forgets_empty_experts(ids, experts):
    """Counts of the experts that occur, one after another: an empty one shifts all that follow."""
    order = ids.argsort(stable=True)
    counts = torch.zeros(experts, dtype=torch.int32, device=ids.device)
    found = ids[order].unique_consecutive(return_counts=True)[1].to(torch.int32)
    counts[: len(found)] = found
    return order, counts.cumsum(0, dtype=torch.int32)


def dispatch__starts_instead_of_ends(ids, experts):
    """The place where each expert's tokens begin."""
    order = ids.argsort(stable=True)
    counts = torch.zeros(experts, dtype=torch.int32, device=ids.device)
    counts.scatter_add_(0, ids, torch.ones_like(ids, dtype=torch.int32))
    return order, counts.cumsum(0, dtype=torch.int32) - counts


def dispatch__counts_without_sorting(ids, experts):
    """Right offsets, but the tokens stay as they came."""
    counts = torch.zeros(experts, dtype=torch.int32, device=ids.device)
    counts.scatter_add_(0, ids, torch.ones_like(ids, dtype=torch.int32))
    return torch.arange(len(ids)), counts.cumsum(0, dtype=torch.int32)
