"""Plausible wrong bodies of the exercises of foundations/bits_per_byte."""

import math


def perplexity__base_two(losses):
    """Two to the nats."""
    return 2 ** (sum(losses) / len(losses))


def perplexity__of_the_sum(losses):
    """The inverse probability of the whole text, not per token."""
    return math.exp(min(sum(losses), 700.0))
