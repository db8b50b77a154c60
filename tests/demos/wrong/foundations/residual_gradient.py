"""Plausible wrong bodies of the exercise of foundations/residual_gradient."""

import torch


def backward__in_forward_order(g, branches, skip):
    """J instead of its transpose, from the first layer on: as the forward pass goes."""
    for j in branches:
        through = torch.einsum("cio,co->ci", j, g)
        g = g + through if skip else through
    return g


def backward__identity_at_the_end(g, branches, skip):
    """The skip added once, round the whole stack."""
    through = g
    for j in branches.flip(0):
        through = torch.einsum("cio,ci->co", j, through)
    return g + through if skip else through


def backward__halves_the_sum(g, branches, skip):
    """The mean of both paths instead of their sum."""
    for j in branches.flip(0):
        through = torch.einsum("cio,ci->co", j, g)
        g = (g + through) / 2 if skip else through
    return g
