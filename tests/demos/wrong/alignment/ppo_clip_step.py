"""Plausible wrong bodies of the exercises of alignment/ppo_clip_step."""

import torch


def surrogate__clip_alone(new, old, advantage, eps):
    """No min: the gradient is gone on both sides of the band."""
    return (new - old).exp().clamp(1 - eps, 1 + eps) * advantage


def surrogate__ratio_turned_round(new, old, advantage, eps):
    """Old over new."""
    ratio = (old - new).exp()
    return torch.minimum(ratio * advantage, ratio.clamp(1 - eps, 1 + eps) * advantage)


def surrogate__no_clip(new, old, advantage, eps):
    """Importance sampling alone."""
    return (new - old).exp() * advantage


def surrogate__max_for_min(new, old, advantage, eps):
    """The optimistic one of the two."""
    ratio = (new - old).exp()
    return torch.maximum(ratio * advantage, ratio.clamp(1 - eps, 1 + eps) * advantage)
