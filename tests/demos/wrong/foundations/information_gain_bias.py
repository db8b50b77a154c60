"""Plausible wrong bodies of the exercises of foundations/information_gain_bias."""

import math
from collections import Counter, defaultdict


def _entropy(labels, log=math.log2):
    return -sum(k / len(labels) * log(k / len(labels)) for k in Counter(labels).values())


def _groups(values, labels):
    groups = defaultdict(list)
    for value, label in zip(values, labels, strict=True):
        groups[value].append(label)
    return list(groups.values())


def information_gain__groups_alike(values, labels):
    """Every group counts alike, however small."""
    groups = _groups(values, labels)
    return _entropy(labels) - sum(map(_entropy, groups)) / len(groups)


def information_gain__what_remains(values, labels):
    """The entropy that is left, not the one removed."""
    return sum(len(g) / len(labels) * _entropy(g) for g in _groups(values, labels))


def information_gain__nats(values, labels):
    """Natural logarithms."""
    return _entropy(labels, math.log) - sum(len(g) / len(labels) * _entropy(g, math.log) for g in _groups(values, labels))
