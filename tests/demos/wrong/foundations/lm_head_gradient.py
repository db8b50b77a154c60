"""Plausible wrong bodies of the exercises of foundations/lm_head_gradient."""

import torch.nn.functional as F


def head_gradients__forgets_the_mean(h, head, labels):
    """The gradients of the sum over tokens."""
    g = (h @ head.T).softmax(1) - F.one_hot(labels, len(head))
    return g @ head, g.T @ h


def head_gradients__of_the_logits(h, head, labels):
    """The logits taken for probabilities."""
    g = (h @ head.T - F.one_hot(labels, len(head))) / len(h)
    return g @ head, g.T @ h


def head_gradients__transposed(h, head, labels):
    """The gradient in the head laid out the other way, then forced into shape."""
    g = ((h @ head.T).softmax(1) - F.one_hot(labels, len(head))) / len(h)
    return g @ head, (h.T @ g).reshape(head.shape)
