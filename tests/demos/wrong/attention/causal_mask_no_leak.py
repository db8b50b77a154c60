"""Plausible wrong bodies of the causal mask; a claim of the demo refutes each."""

import torch
from torch import Tensor


def visible__looks_one_ahead(tokens: int) -> Tensor:
    """The label itself is visible."""
    return torch.ones(tokens, tokens, dtype=torch.bool).tril(1)


def visible__hides_itself(tokens: int) -> Tensor:
    """Strictly before, but for the first token, which has nobody else."""
    seen = torch.ones(tokens, tokens, dtype=torch.bool).tril(-1)
    seen[0, 0] = True
    return seen


def visible__masks_the_past(tokens: int) -> Tensor:
    """True and False the other way round, as nn.MultiheadAttention reads them."""
    return torch.ones(tokens, tokens, dtype=torch.bool).triu()
