"""Plausible wrong bodies of the exercises of attention/p_minus_y."""

import torch.nn.functional as F


def logit_gradient__forgets_the_mean(logits, labels):
    """The gradient of the sum of the rows' losses."""
    return logits.softmax(-1) - F.one_hot(labels, logits.shape[-1])


def logit_gradient__forgets_the_label(logits, labels):
    """The gradient of log-sum-exp alone."""
    return logits.softmax(-1) / len(logits)


def logit_gradient__of_the_probabilities(logits, labels):
    """−y/p, which is the gradient in the probabilities."""
    return -F.one_hot(labels, logits.shape[-1]) / logits.softmax(-1) / len(logits)
