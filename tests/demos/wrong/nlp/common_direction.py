"""Plausible wrong bodies of pairwise cosines; a claim of the demo refutes each."""

from torch import Tensor


def cosines__keeps_the_lengths(x: Tensor, centred: bool) -> Tensor:
    """Dot products: long vectors look alike to everything."""
    x = x - x.mean(0) if centred else x
    return x @ x.T


def cosines__centres_each_vector(x: Tensor, centred: bool) -> Tensor:
    """Each vector loses the mean of its own numbers, not the mean vector."""
    x = x - x.mean(1, keepdim=True) if centred else x
    unit = x / x.norm(dim=1, keepdim=True)
    return unit @ unit.T
