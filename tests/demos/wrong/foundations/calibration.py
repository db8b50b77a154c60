"""Plausible wrong bodies of the exercises of foundations/calibration."""

import torch


def expected_calibration_error__signed(confidence, correct, bins):
    """Gaps of opposite sign cancel."""
    return abs((confidence - correct).mean().item())


def expected_calibration_error__bins_alike(confidence, correct, bins):
    """Every bin counts alike, however few examples it holds."""
    which = (confidence * bins).long().clamp(max=bins - 1)
    gaps = [abs((confidence - correct)[which == b].mean().item()) for b in range(bins) if (which == b).any()]
    return sum(gaps) / len(gaps)


def expected_calibration_error__squared(confidence, correct, bins):
    """The Brier score of the answers."""
    return ((confidence - correct) ** 2).mean().item()


def best_temperature__multiplies(z, labels):
    """1/T."""
    tried = torch.logspace(-1, 1, 101)
    losses = [torch.nn.functional.cross_entropy(z * t, labels) for t in tried]
    return tried[torch.stack(losses).argmin()].item()


def best_temperature__from_the_confidence(z, labels):
    """Mean confidence over accuracy."""
    p, answer = z.softmax(1).max(1)
    return (p.mean() / (answer == labels).float().mean()).item()
