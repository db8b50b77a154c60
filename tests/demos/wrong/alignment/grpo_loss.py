"""Plausible wrong bodies of the exercise of alignment/grpo_loss."""

import torch


def grpo_loss__takes_the_maximum(new, old, advantages, mask, low, high):
    """The optimistic side of the clip."""
    ratio, a = (new - old).exp(), advantages[:, None]
    gain = torch.maximum(ratio * a, ratio.clamp(1 - low, 1 + high) * a)
    return -((gain * mask).sum(1) / mask.sum(1)).mean()


def grpo_loss__clips_alone(new, old, advantages, mask, low, high):
    """No minimum: the gradient is gone on both sides of the range."""
    gain = (new - old).exp().clamp(1 - low, 1 + high) * advantages[:, None]
    return -((gain * mask).sum(1) / mask.sum(1)).mean()


def grpo_loss__counts_padding(new, old, advantages, mask, low, high):
    """The mean runs over the padded width."""
    ratio, a = (new - old).exp(), advantages[:, None]
    gain = torch.minimum(ratio * a, ratio.clamp(1 - low, 1 + high) * a)
    return -(gain * mask).mean(1).mean()


def grpo_loss__averages_all_tokens(new, old, advantages, mask, low, high):
    """DAPO's mean."""
    ratio, a = (new - old).exp(), advantages[:, None]
    gain = torch.minimum(ratio * a, ratio.clamp(1 - low, 1 + high) * a)
    return -(gain * mask).sum() / mask.sum()


def grpo_loss__forgets_the_sign(new, old, advantages, mask, low, high):
    """The objective, to be maximised, handed out as a loss."""
    ratio, a = (new - old).exp(), advantages[:, None]
    gain = torch.minimum(ratio * a, ratio.clamp(1 - low, 1 + high) * a)
    return ((gain * mask).sum(1) / mask.sum(1)).mean()
