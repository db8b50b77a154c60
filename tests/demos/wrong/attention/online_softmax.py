"""Plausible wrong bodies of the exercises of attention/online_softmax."""

import torch


def update__adds_without_rescaling(m, l, acc, s, v):  # noqa: E741
    """The new block's terms are added to sums that stand against the old maximum."""
    top = torch.maximum(m, s.amax(1, keepdim=True))
    p = torch.exp(s - top.where(top > -torch.inf, 0.0))
    return top, l + p.sum(1, keepdim=True), acc + p @ v


def update__forgets_the_output(m, l, acc, s, v):  # noqa: E741
    """l is rescaled, the output is not."""
    top = torch.maximum(m, s.amax(1, keepdim=True))
    ref = top.where(top > -torch.inf, 0.0)
    p, shrink = torch.exp(s - ref), torch.exp(m - ref)
    return top, shrink * l + p.sum(1, keepdim=True), acc + p @ v


def update__takes_the_maximum_of_the_block(m, l, acc, s, v):  # noqa: E741
    """The block's own maximum, which may be smaller than the one before: exp may grow without bound."""
    top = s.amax(1, keepdim=True)
    ref = top.where(top > -torch.inf, 0.0)
    p = torch.exp(s - ref)
    return top, l + p.sum(1, keepdim=True), acc + p @ v


def update__subtracts_minus_infinity(m, l, acc, s, v):  # noqa: E741
    """Right but for a block that is masked from the start on."""
    top = torch.maximum(m, s.amax(1, keepdim=True))
    p, shrink = torch.exp(s - top), torch.exp(m - top)
    return top, shrink * l + p.sum(1, keepdim=True), shrink * acc + p @ v
