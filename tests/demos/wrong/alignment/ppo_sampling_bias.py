"""Plausible wrong bodies of the exercises of alignment/ppo_sampling_bias."""

import torch


def kept_log_probs__does_not_renormalise(logits, kept):
    """Masks after the softmax: the kept probabilities sum to less than one."""
    return logits.log_softmax(-1).masked_fill(~kept, -torch.inf)


def kept_log_probs__zeroes_logits(logits, kept):
    """A logit of zero is no probability of zero."""
    return (logits * kept).log_softmax(-1)


def kept_log_probs__renormalises_over_all(logits, kept):
    """A large finite penalty that is too small."""
    return (logits - 1.0 * (~kept)).log_softmax(-1)
