"""Plausible wrong bodies of the exercises of attention/hybrid_recall."""

import torch


def write__adds(state, k, v, beta):
    """Nothing is erased."""
    return state + beta * torch.outer(v, k)


def write__erases_the_wrong_side(state, k, v, beta):
    """All keys are scaled down, not the one that is written."""
    return (1 - beta) * state + beta * torch.outer(v, k)


def write__forgets_the_step(state, k, v, beta):
    """The value is replaced whole, whatever beta is."""
    return state + torch.outer(v - state @ k, k)
