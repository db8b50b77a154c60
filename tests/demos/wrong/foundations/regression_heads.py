"""Plausible wrong bodies of the exercises of foundations/regression_heads."""

import torch.nn.functional as F


def output_gradients__forgets_the_rows(out, values, labels):
    """The gradients of the sums, not of the means."""
    return out - values, out.softmax(1) - F.one_hot(labels, out.shape[1])


def output_gradients__forgets_the_softmax(out, values, labels):
    """The logits taken for probabilities."""
    return (out - values) / len(out), (out - F.one_hot(labels, out.shape[1])) / len(out)
