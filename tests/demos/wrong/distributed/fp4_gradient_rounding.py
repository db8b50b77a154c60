"""What a learner might write instead."""
# ruff: noqa: F821

import torch


def round_at_random__rounds_to_the_nearest(x, u):
    return E2M1[torch.bucketize(x.abs(), (E2M1[1:] + E2M1[:-1]) / 2)] * x.sign()


def round_at_random__coin_flip(x, u):
    """Up or down with a half each, wherever the number lies between its neighbours."""
    below = (torch.bucketize(x.abs(), E2M1, right=True) - 1).clamp(max=6)
    return torch.where(u < 0.5, E2M1[below + 1], E2M1[below]) * x.sign()


def round_at_random__moves_the_sign(x, u):
    """Up is taken as towards +∞ with the chance of away from zero: negative numbers drift."""
    below = (torch.bucketize(x.abs(), E2M1, right=True) - 1).clamp(max=6)
    low, high = E2M1[below], E2M1[below + 1]
    part = (x.abs() - low) / (high - low)
    up = torch.where(x < 0, u >= part, u < part)
    return torch.where(up, high, low) * x.sign()
