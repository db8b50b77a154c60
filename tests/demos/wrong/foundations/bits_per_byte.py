"""Plausible wrong bodies of the exercises of foundations/bits_per_byte."""

import math


def bits_per_byte__per_character(nats, text):
    """Characters counted for bytes."""
    return nats / math.log(2) / len(text)


def bits_per_byte__in_nats(nats, text):
    """Nats per byte."""
    return nats / len(text.encode())


def bits_per_byte__per_token_of_four(nats, text):
    """Four characters to the token, a rule of thumb instead of the bytes."""
    return nats / math.log(2) / (len(text) / 4)


def perplexity__base_two(losses):
    """Two to the nats."""
    return 2 ** (sum(losses) / len(losses))


def perplexity__of_the_sum(losses):
    """The inverse probability of the whole text, not per token."""
    return math.exp(min(sum(losses), 700.0))
