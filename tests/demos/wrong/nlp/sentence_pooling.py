"""Plausible wrong bodies of pooling; a claim of the demo refutes each."""

import torch
from torch import Tensor


def pool__divides_by_the_length(states: Tensor, keep: Tensor, how: str) -> Tensor:
    """The states of padding are zeroed, and their number stays in the mean."""
    if how == "mean":
        return (states * keep[..., None]).mean(1)
    if how == "max":
        return states.masked_fill(~keep[..., None], -torch.inf).amax(1)
    last = (torch.arange(keep.shape[1]) * keep).argmax(1)
    return states[torch.arange(len(states)), last]


def pool__fills_the_maximum_with_zero(states: Tensor, keep: Tensor, how: str) -> Tensor:
    """Where all real numbers are negative, the padding's 0 wins."""
    if how == "mean":
        return (states * keep[..., None]).sum(1) / keep.sum(1, keepdim=True)
    if how == "max":
        return (states * keep[..., None]).amax(1)
    last = (torch.arange(keep.shape[1]) * keep).argmax(1)
    return states[torch.arange(len(states)), last]


def pool__takes_the_last_index(states: Tensor, keep: Tensor, how: str) -> Tensor:
    """The number of real tokens less one: right only where the padding is on the right."""
    if how == "mean":
        return (states * keep[..., None]).sum(1) / keep.sum(1, keepdim=True)
    if how == "max":
        return states.masked_fill(~keep[..., None], -torch.inf).amax(1)
    return states[torch.arange(len(states)), keep.sum(1) - 1]
