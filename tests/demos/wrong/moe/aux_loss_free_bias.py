"""Plausible wrong bodies of the exercise of moe/aux_loss_free_bias."""

import torch


def update__pushes_towards_the_busy(bias, loads, speed):
    """The sign is turned round."""
    return bias + speed * torch.sign(loads - loads.mean(-1, keepdim=True))


def update__moves_by_the_count(bias, loads, speed):
    """The step is the difference in tokens itself: far too large for scores below 1."""
    return bias + speed * (loads.mean(-1, keepdim=True) - loads)
