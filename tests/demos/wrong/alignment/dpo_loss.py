"""Plausible wrong bodies of the exercises of alignment/dpo_loss."""

import torch
import torch.nn.functional as F


def dpo_loss__without_reference(policy, reference, mask, beta):
    """The pairwise loss of log-probabilities alone."""
    total = policy.where(mask, 0.0).sum(-1)
    return -F.logsigmoid(beta * (total[0] - total[1]))


def dpo_loss__mean_over_tokens(policy, reference, mask, beta):
    """Each side divided by its own length."""
    ratio = (policy - reference).where(mask, 0.0).sum(-1) / mask.sum(-1)
    return -F.logsigmoid(beta * (ratio[0] - ratio[1]))


def dpo_loss__counts_the_prompt(policy, reference, mask, beta):
    """Prompt and padding enter the sum."""
    ratio = (policy - reference).sum(-1)
    return -F.logsigmoid(beta * (ratio[0] - ratio[1]))


def dpo_loss__swapped(policy, reference, mask, beta):
    """The rejected response is pushed up."""
    ratio = (policy - reference).where(mask, 0.0).sum(-1)
    return -F.logsigmoid(beta * (ratio[1] - ratio[0]))


def dpo_loss__beta_outside(policy, reference, mask, beta):
    """β scales the loss, not the margin."""
    ratio = (policy - reference).where(mask, 0.0).sum(-1)
    return -beta * torch.log(torch.sigmoid(ratio[0] - ratio[1]))
