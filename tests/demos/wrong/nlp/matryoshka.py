"""Plausible wrong bodies of shortening embeddings; a claim of the demo refutes each."""

from torch import Tensor


def shorten__only_cuts(x: Tensor, k: int) -> Tensor:
    """The lengths differ from text to text."""
    return x[:, :k]


def shorten__keeps_the_last(x: Tensor, k: int) -> Tensor:
    """The last k numbers, which nested training cares least for."""
    return x[:, -k:] / x[:, -k:].norm(dim=1, keepdim=True)
