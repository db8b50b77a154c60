"""Plausible wrong bodies of the exercises of demos/position/rope_context_extension.py."""

import math

import torch


def by_parts__keeps_the_slow(theta, trained, s, alpha, beta):
    keep = ((trained * theta / (2 * math.pi) - alpha) / (beta - alpha)).clamp(0, 1)
    return (1 - keep) * theta + keep * theta / s


def by_parts__by_index(theta, trained, s, alpha, beta):
    turns = trained * theta / (2 * math.pi)
    first, last = int((turns > beta).sum()), int((turns >= alpha).sum())
    keep = 1 - ((torch.arange(len(theta)) - first) / max(last - first, 1)).clamp(0, 1)
    return keep * theta + (1 - keep) * theta / s


def by_parts__divides_all(theta, trained, s, alpha, beta):
    return theta / s
