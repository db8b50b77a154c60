"""Plausible wrong bodies of the exercise of nlp/icl_regression."""

import torch


def attend__forgets_the_values(x, y, query, w):
    """The mean score, labels left out."""
    return torch.einsum("bnd,de,be->bn", x, w, query).mean(1)


def attend__sums_instead_of_averaging(x, y, query, w):
    """n times the step."""
    return (torch.einsum("bnd,de,be->bn", x, w, query) * y).sum(1)


def attend__uses_softmax(x, y, query, w):
    """Softmax over the examples."""
    return (torch.einsum("bnd,de,be->bn", x, w, query).softmax(1) * y).sum(1)
