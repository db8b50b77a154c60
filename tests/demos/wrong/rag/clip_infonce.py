"""Plausible wrong bodies of the exercises of rag/clip_infonce."""

import torch
import torch.nn.functional as F


def info_nce__images_only(images, texts, temperature):
    """Only the images choose."""
    return F.cross_entropy(images @ texts.T / temperature, torch.arange(len(images)))


def info_nce__keeps_the_diagonal_out(images, texts, temperature):
    """The right pair is left out of the denominators."""
    logits = images @ texts.T / temperature
    own, others = logits.diagonal(), logits.masked_fill(torch.eye(len(logits), dtype=torch.bool), -torch.inf)
    return (others.logsumexp(1) + others.logsumexp(0) - 2 * own).mean() / 2


def info_nce__multiplies_by_the_temperature(images, texts, temperature):
    """Cosines times the temperature."""
    logits, target = images @ texts.T * temperature, torch.arange(len(images))
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2
