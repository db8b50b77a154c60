"""Plausible wrong bodies of the exercise of alignment/singleton_rate."""

import torch


def singleton_rate__counts_distinct_facts(facts, times=1):
    """How many different facts were seen."""
    return torch.tensor(len(facts.unique()) / len(facts))


def singleton_rate__divides_by_the_distinct(facts, times=1):
    """The share among the facts, not among the samples."""
    counts = torch.bincount(facts)
    return (counts == times).sum() / (counts > 0).sum()


def singleton_rate__counts_all_possible(facts, times=1):
    """The share of samples that hold a frequent fact."""
    counts = torch.bincount(facts)
    return (counts[facts] > times).float().mean()
