"""Plausible wrong bodies of the exercise of moe/aux_loss_free_bias."""

import torch


def update__pushes_towards_the_busy(bias, loads, speed):
    """The sign is turned round."""
    return bias + speed * torch.sign(loads - loads.mean(-1, keepdim=True))


def update__compares_with_the_last_expert(bias, loads, speed):
    """The load is compared with one expert's and not with the mean."""
    return bias + speed * torch.sign(loads[..., -1:] - loads)
