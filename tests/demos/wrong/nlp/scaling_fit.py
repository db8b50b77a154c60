"""Plausible wrong bodies of the exercise of nlp/scaling_fit."""

import math

import torch


def fit_power_law__forces_the_floor_to_zero(x, loss):
    """A straight line through the logarithms."""
    columns = torch.stack((torch.ones_like(x), -x.log()), 1)
    a, beta = torch.linalg.lstsq(columns, loss.log()[:, None]).solution[:, 0].tolist()
    return 0.0, math.exp(a), beta


def fit_power_law__floor_is_the_last_loss(x, loss):
    """As if the longest run had converged."""
    floor = loss.min() - 1e-3
    columns = torch.stack((torch.ones_like(x), -x.log()), 1)
    a, beta = torch.linalg.lstsq(columns, (loss - floor).log()[:, None]).solution[:, 0].tolist()
    return floor.item(), math.exp(a), beta
