"""Plausible wrong bodies of the exercises of demos/foundations/gradient_clipping.py."""

import torch


def clip_by_norm__clips_each_tensor(gradients, limit):
    return [g * (limit / g.norm()).clamp(max=1) for g in gradients]


def clip_by_norm__always_rescales(gradients, limit):
    """A short gradient is lengthened."""
    norm = torch.stack([g.norm() for g in gradients]).norm()
    return [g * limit / norm for g in gradients]


def clip_by_norm__clips_values(gradients, limit):
    return [g.clamp(-limit, limit) for g in gradients]


def clip_by_norm__divides_by_the_square(gradients, limit):
    """The squared norm, without the root."""
    norm = sum((g * g).sum() for g in gradients)
    return [g * (limit / norm).clamp(max=1) for g in gradients]
