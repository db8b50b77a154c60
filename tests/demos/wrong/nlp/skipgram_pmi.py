"""What a learner might write instead."""

import torch.nn.functional as F


def loss__one_negative(dots, counts, k, power):
    """k forgotten: one negative for each pair."""
    noise = counts.sum(0) ** power / (counts.sum(0) ** power).sum()
    drawn = counts.sum(1, keepdim=True) * noise
    return -(counts * F.logsigmoid(dots) + drawn * F.logsigmoid(-dots)).sum() / counts.sum()


def loss__uniform_noise(dots, counts, k, power):
    """Negatives drawn from all contexts alike."""
    drawn = k * counts.sum(1, keepdim=True) / counts.shape[1]
    return -(counts * F.logsigmoid(dots) + drawn * F.logsigmoid(-dots)).sum() / counts.sum()


def loss__raises_the_negatives(dots, counts, k, power):
    """σ(w·c) for the negatives as well."""
    noise = counts.sum(0) ** power / (counts.sum(0) ** power).sum()
    drawn = k * counts.sum(1, keepdim=True) * noise
    return -((counts + drawn) * F.logsigmoid(dots)).sum() / counts.sum()
