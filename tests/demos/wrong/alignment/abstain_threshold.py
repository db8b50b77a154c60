"""Plausible wrong bodies of the exercise of alignment/abstain_threshold."""

import torch


def answers__answers_above_one_half(confidence, penalty):
    """Whatever the penalty, where right is likelier than wrong."""
    return confidence > 0.5


def answers__turns_the_penalty_round(confidence, penalty):
    """1/(1+c): the dearer a mistake, the more is answered."""
    return confidence > 1 / (1 + penalty)


def answers__answers_always(confidence, penalty):
    """As plain accuracy rewards it."""
    return torch.ones_like(confidence, dtype=torch.bool)
