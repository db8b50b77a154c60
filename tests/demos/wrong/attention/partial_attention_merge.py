"""Plausible wrong bodies of the exercises of attention/partial_attention_merge."""

import torch


def merge__averages(o_a, lse_a, o_b, lse_b):
    """Every part counts the same."""
    return (o_a + o_b) / 2, torch.logaddexp(lse_a, lse_b)


def merge__weighs_by_the_log(o_a, lse_a, o_b, lse_b):
    """Weights proportional to the log-sum-exp itself."""
    return (lse_a * o_a + lse_b * o_b) / (lse_a + lse_b), torch.logaddexp(lse_a, lse_b)


def merge__forgets_the_log_sum_exp(o_a, lse_a, o_b, lse_b):
    """Right for two parts; a third then meets the maximum and not the sum."""
    lse = torch.logaddexp(lse_a, lse_b)
    return torch.exp(lse_a - lse) * o_a + torch.exp(lse_b - lse) * o_b, torch.maximum(lse_a, lse_b)
