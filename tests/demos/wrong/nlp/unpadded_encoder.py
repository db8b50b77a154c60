"""Plausible wrong bodies of the mask of packed texts; a claim of the demo refutes each."""

import torch
from torch import Tensor


def visible__forgets_the_texts(lengths: tuple[int, ...], half: int) -> Tensor:
    """A window over the row, across the borders of texts."""
    place = torch.arange(sum(lengths))
    return (place[:, None] - place).abs() <= (half or len(place))


def visible__looks_back_only(lengths: tuple[int, ...], half: int) -> Tensor:
    """A decoder's window: an encoder looks both ways."""
    text = torch.repeat_interleave(torch.tensor(lengths))
    back = torch.arange(len(text))[:, None] - torch.arange(len(text))
    return (text[:, None] == text) & (back >= 0) & (back <= (half or len(text)))


def visible__counts_the_window_twice(lengths: tuple[int, ...], half: int) -> Tensor:
    """The whole window to either side."""
    text = torch.repeat_interleave(torch.tensor(lengths))
    place = torch.arange(len(text))
    return (text[:, None] == text) & ((place[:, None] - place).abs() <= (2 * half or len(text)))
