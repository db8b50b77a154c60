"""Plausible wrong bodies of the exercises of foundations/loss_minimisers."""

import torch


def huber__squared_beyond(error, delta):
    """The two parts the wrong way round."""
    size = error.abs()
    return torch.where(size > delta, error**2 / 2, delta * (size - delta / 2))


def huber__without_the_offset(error, delta):
    """The line starts at delta² instead of delta²/2: the loss jumps at delta."""
    size = error.abs()
    return torch.where(size <= delta, error**2 / 2, delta * size)


def huber__one_sided(error, delta):
    """Large negative errors stay squared."""
    return torch.where(error <= delta, error**2 / 2, delta * (error - delta / 2))
