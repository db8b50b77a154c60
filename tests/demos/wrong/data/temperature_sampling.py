"""Plausible wrong bodies of the exercises of data/temperature_sampling."""

import math

HALF_LIFE = 15.387756


def shares__scales_the_shares(sizes, alpha):
    """Multiplied by alpha instead of raised to it: the shares stay as they were."""
    weights = sizes.double() * alpha + 1e-300
    return weights / weights.sum()


def shares__inverts_the_power(sizes, alpha):
    """The temperature taken for its inverse."""
    weights = sizes.double() ** (1 / max(alpha, 1e-2))
    return weights / weights.sum()


def effective__counts_every_epoch(unique, epochs):
    """Every pass as good as fresh tokens."""
    return unique * epochs


def effective__takes_epochs_for_repeats(unique, epochs):
    """The first pass is decayed too."""
    return unique * HALF_LIFE * (1 - math.exp(-epochs / HALF_LIFE))
