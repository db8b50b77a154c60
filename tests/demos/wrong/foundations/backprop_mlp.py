"""Plausible wrong bodies of the exercises of foundations/backprop_mlp."""

import torch.nn.functional as F


def linear_backward__mean_over_samples(dy, x, w):
    """The mean over the samples, which the loss has taken already."""
    return dy @ w, dy.T @ x / len(x), dy.mean(0)


def linear_backward__bias_of_the_first(dy, x, w):
    """The bias gradient of one sample."""
    return dy @ w, dy.T @ x, dy[0]


def linear_backward__weight_instead_of_x(dy, x, w):
    """The absolute size of x in place of x."""
    return dy @ w, dy.T @ x.abs(), dy.sum(0)


def mlp_backward__no_mask(x, target, w1, b1, w2, b2):
    """ReLU passed straight through."""
    z = x @ w1.T + b1
    h = z.relu()
    p = (h @ w2.T + b2).softmax(-1)
    g = (p - F.one_hot(target, p.shape[-1])) / len(x)
    dz = g @ w2
    return dz.T @ x, dz.sum(0), g.T @ h, g.sum(0)


def mlp_backward__no_mean(x, target, w1, b1, w2, b2):
    """The division by n forgotten."""
    z = x @ w1.T + b1
    h = z.relu()
    p = (h @ w2.T + b2).softmax(-1)
    g = (p - F.one_hot(target, p.shape[-1]))
    dz = (g @ w2) * (z > 0)
    return dz.T @ x, dz.sum(0), g.T @ h, g.sum(0)


def mlp_backward__mask_of_the_gradient(x, target, w1, b1, w2, b2):
    """ReLU applied to the gradient, as to a forward value."""
    z = x @ w1.T + b1
    h = z.relu()
    p = (h @ w2.T + b2).softmax(-1)
    g = (p - F.one_hot(target, p.shape[-1])) / len(x)
    dz = (g @ w2).relu()
    return dz.T @ x, dz.sum(0), g.T @ h, g.sum(0)
