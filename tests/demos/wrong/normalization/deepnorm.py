"""Plausible wrong bodies of the exercise of normalization/deepnorm."""

import torch.nn.functional as F


def deep_norm__alpha_on_the_branch(x, branch, layers):
    """α multiplies the branch instead of the skip path."""
    return F.layer_norm(x + (2 * layers) ** 0.25 * branch(x), x.shape[-1:])


def deep_norm__without_the_norm(x, branch, layers):
    """The norm is left out: the stream grows by α in each sublayer."""
    return (2 * layers) ** 0.25 * x + branch(x)


def deep_norm__inverse_alpha(x, branch, layers):
    """The skip path is scaled down."""
    return F.layer_norm((2 * layers) ** -0.25 * x + branch(x), x.shape[-1:])
