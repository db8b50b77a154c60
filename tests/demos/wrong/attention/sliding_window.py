"""Plausible wrong bodies of the window mask; a claim of the demo refutes each."""

import torch
from torch import Tensor


def visible__reaches_one_too_far(tokens: int, window: int) -> Tensor:
    """window tokens before it and itself: one too many."""
    back = torch.arange(tokens)[:, None] - torch.arange(tokens)
    return (back >= 0) & (back <= window)


def visible__sees_ahead(tokens: int, window: int) -> Tensor:
    """A band on both sides, as in an encoder."""
    back = torch.arange(tokens)[:, None] - torch.arange(tokens)
    return back.abs() < window


def visible__hides_itself(tokens: int, window: int) -> Tensor:
    """The window tokens before it, without its own (its own alone where there is none)."""
    back = torch.arange(tokens)[:, None] - torch.arange(tokens)
    return ((back > 0) & (back <= window)) | ((back == 0) & (torch.arange(tokens)[:, None] == 0))
