"""Plausible wrong bodies of the exercise of nlp/lm_entropy_floor."""

import torch


def entropy_rate__counts_in_bits(p):
    """The logarithm to base 2."""
    shares = torch.linalg.matrix_power(p, 4096)[0]
    return shares @ -(p * p.log2()).sum(1)


def entropy_rate__forgets_the_shares(p):
    """The entropy of single tokens, context left out."""
    shares = torch.linalg.matrix_power(p, 4096)[0]
    return -torch.special.xlogy(shares, shares).sum()
