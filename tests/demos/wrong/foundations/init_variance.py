"""Plausible wrong bodies of the exercises of demos/foundations/init_variance.py."""

import math

import torch


def xavier_uniform__takes_the_deviation(fan_in, fan_out):
    """2 / (fan_in + fan_out) as the standard deviation."""
    return (torch.rand(fan_out, fan_in) * 2 - 1) * math.sqrt(3) * 2 / (fan_in + fan_out)


def xavier_uniform__forgets_a_fan(fan_in, fan_out):
    """LeCun's rule: forward only."""
    return (torch.rand(fan_out, fan_in) * 2 - 1) * math.sqrt(3 / fan_in)


def xavier_uniform__bound_is_the_deviation(fan_in, fan_out):
    """The deviation as the bound: a third of the variance."""
    return (torch.rand(fan_out, fan_in) * 2 - 1) * math.sqrt(2 / (fan_in + fan_out))
