"""Plausible wrong bodies of the exercise of alignment/pass_at_k."""

import math


def pass_at_k__plugs_in_the_share(n, c, k):
    """The share of right samples taken for the pass rate."""
    return 1 - (1 - c / n) ** k


def pass_at_k__draws_with_replacement_of_wrong(n, c, k):
    """The share of subsets of right samples only."""
    return math.comb(c, k) / math.comb(n, k)


def pass_at_k__fails_when_few_are_wrong(n, c, k):
    """Nothing is said where fewer than k samples are wrong."""
    return 0.0 if n - c < k else 1 - math.comb(n - c, k) / math.comb(n, k)
