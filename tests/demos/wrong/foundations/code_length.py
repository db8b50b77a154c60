"""Plausible wrong bodies of the exercises of foundations/code_length."""

import math


def ideal_bits__nats(text, p):
    """Natural logarithms: nats."""
    return -sum(math.log(p[c]) for c in text)


def ideal_bits__bytes(text, p):
    """Eight bits to the character, whatever the model."""
    return 8.0 * len(text)


def ideal_bits__mean(text, p):
    """The mean per character."""
    return -sum(math.log2(p[c]) for c in text) / len(text)
