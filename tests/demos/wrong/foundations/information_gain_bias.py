"""Plausible wrong bodies of the exercises of foundations/information_gain_bias; `entropy` and `split` are the demo's."""

# ruff: noqa: F821

import math


def information_gain__groups_alike(values, labels):
    """Every group counts alike, however small."""
    groups = split(values, labels)
    return entropy(labels) - sum(map(entropy, groups)) / len(groups)


def information_gain__what_remains(values, labels):
    """The entropy that is left, not the one removed."""
    return sum(len(g) / len(labels) * entropy(g) for g in split(values, labels))


def information_gain__nats(values, labels):
    """In nats."""
    rest = sum(len(group) / len(labels) * entropy(group) for group in split(values, labels))
    return (entropy(labels) - rest) * math.log(2)
