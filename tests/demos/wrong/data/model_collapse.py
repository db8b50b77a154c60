"""Plausible wrong bodies of the exercise of data/model_collapse."""

import torch


def generations__trains_on_the_newest_only(x, noise, truth, accumulate):
    """Accumulating is forgotten."""
    fit, fits = truth.expand(len(x), -1), []
    for one in noise:
        fit = torch.linalg.lstsq(x, ((x @ fit[:, :, None])[..., 0] + one)[:, :, None]).solution[..., 0]
        fits.append(fit)
    return torch.stack(fits)


def generations__labels_from_the_truth(x, noise, truth, accumulate):
    """Every generation is labelled by the truth: no feedback at all."""
    fits = [torch.linalg.lstsq(x, ((x @ truth) + one)[:, :, None]).solution[..., 0] for one in noise]
    return torch.stack(fits)
