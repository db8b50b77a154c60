"""Plausible wrong bodies of the causal mask over a cache; a claim of the demo refutes each."""

import torch
from torch import Tensor


def visible__aligns_at_the_top_left(new: int, keys: int) -> Tensor:
    """As is_causal does."""
    return torch.ones(new, keys, dtype=torch.bool).tril()


def visible__hides_the_own_key(new: int, keys: int) -> Tensor:
    """One step too narrow: a query does not see its own token."""
    return torch.ones(new, keys, dtype=torch.bool).tril(keys - new - 1)


def visible__sees_everything(new: int, keys: int) -> Tensor:
    """Right for one new query, wrong for several."""
    return torch.ones(new, keys, dtype=torch.bool)
