"""Plausible wrong bodies of the exercise of finetuning/kl_predicts_forgetting."""

import torch


def nearest__spreads_evenly(base, right, mass):
    """Right answers are taken for equally good."""
    right = right.expand_as(base)
    return (mass * right / right.sum(-1, keepdim=True)
            + (1 - mass) * (1 - right) / (1 - right).sum(-1, keepdim=True))


def nearest__takes_the_best(base, right, mass):
    """All the mass goes to the base's favourite right answer."""
    best = torch.nn.functional.one_hot((base * right).argmax(-1), base.shape[-1]).to(base.dtype)
    off = base * (1 - best)
    return mass * best + (1 - mass) * off / off.sum(-1, keepdim=True)
