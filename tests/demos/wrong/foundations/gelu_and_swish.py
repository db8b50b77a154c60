"""Plausible wrong bodies of the exercises of foundations/gelu_and_swish."""

import math

import torch


def gelu__tanh_form(x):
    """The approximation in place of the definition."""
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def gelu__erf_of_x(x):
    """erf without the √2."""
    return x * 0.5 * (1 + torch.erf(x))


def gelu__probability_alone(x):
    """Φ(x), the gate without x."""
    return 0.5 * (1 + torch.erf(x / math.sqrt(2)))


def swish_slope__gate_alone(x, beta):
    """The gate's own slope forgotten."""
    return torch.sigmoid(beta * x)


def swish_slope__sigmoid_slope(x, beta):
    """The slope of the sigmoid alone."""
    s = torch.sigmoid(beta * x)
    return beta * s * (1 - s)


def swish_slope__beta_left_out(x, beta):
    """The inner derivative β forgotten."""
    s = torch.sigmoid(beta * x)
    return s + x * s * (1 - s)


def swish_slope__beta_in_the_wrong_term(x, beta):
    """f + β·σ(βx)·(1 − f): right at β = 1 alone."""
    f = x * torch.sigmoid(beta * x)
    return f + beta * torch.sigmoid(beta * x) * (1 - f)


def swiglu_backward__gate_forgets_up(dh, g, u):
    """u left out of the gate's gradient."""
    s = torch.sigmoid(g)
    return dh * (s + g * s * (1 - s)), dh * g * s


def swiglu_backward__silu_as_slope(dh, g, u):
    """SiLU's value where its slope belongs."""
    return dh * u * g * torch.sigmoid(g), dh * g * torch.sigmoid(g)


def swiglu_backward__paths_exchanged(dh, g, u):
    """The two gradients in the wrong order."""
    s = torch.sigmoid(g)
    return dh * g * s, dh * u * (s + g * s * (1 - s))
