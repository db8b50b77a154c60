"""Plausible wrong bodies of the exercises of finetuning/adapter_bottleneck."""

import torch


def adapter__forgets_the_skip(x, down, down_bias, up, up_bias):
    """The bottleneck alone: a zero start gives zeros."""
    return torch.relu(x @ down + down_bias) @ up + up_bias


def adapter__activates_at_the_end(x, down, down_bias, up, up_bias):
    """ReLU after the up-projection: at a zero start nothing has a gradient."""
    return x + torch.relu((x @ down + down_bias) @ up + up_bias)


def adapter__leaves_out_the_activation(x, down, down_bias, up, up_bias):
    """Two linear layers: one matrix of rank m."""
    return x + (x @ down + down_bias) @ up + up_bias
