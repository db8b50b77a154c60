"""Plausible wrong bodies of the exercises of alignment/preference_losses."""

import torch.nn.functional as F


def simpo_loss__sums_over_tokens(logps, mask, beta, gamma):
    """No division by length."""
    total = logps.where(mask, 0.0).sum(-1)
    return -F.logsigmoid(beta * (total[0] - total[1]) - gamma)


def simpo_loss__gamma_outside_the_sigmoid(logps, mask, beta, gamma):
    """γ added to the loss, where it has no gradient."""
    mean = logps.where(mask, 0.0).sum(-1) / mask.sum(-1)
    return gamma - F.logsigmoid(beta * (mean[0] - mean[1]))


def simpo_loss__counts_the_prompt(logps, mask, beta, gamma):
    """The mean over all positions."""
    mean = logps.mean(-1)
    return -F.logsigmoid(beta * (mean[0] - mean[1]) - gamma)
