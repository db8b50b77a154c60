"""Plausible wrong masks; a claim of the demo refutes each."""

import torch
from torch import Tensor


def visible__keeps_the_prefix_causal(document: Tensor, prefix: int) -> Tensor:
    """A causal mask within each document, whatever the prefix."""
    i = torch.arange(len(document))
    return (i[:, None] >= i) & (document[:, None] == document)


def visible__lets_the_prefix_see_the_rest(document: Tensor, prefix: int) -> Tensor:
    """Queries of the prefix see every key."""
    i = torch.arange(len(document))
    return ((i[:, None] >= i) | (i[:, None] < prefix)) & (document[:, None] == document)


def visible__forgets_the_documents(document: Tensor, prefix: int) -> Tensor:
    """No boundary between documents."""
    i = torch.arange(len(document))
    return (i[:, None] >= i) | ((i[:, None] < prefix) & (i < prefix))
