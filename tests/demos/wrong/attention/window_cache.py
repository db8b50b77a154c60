"""Plausible wrong bodies of a decode step over a ring; a claim of the demo refutes each."""

from torch import Tensor


def step__appends_at_the_end(q: Tensor, k: Tensor, v: Tensor, ring: Tensor, i: int) -> Tensor:
    """The first slots are kept, and every later token overwrites the last one."""
    slots = ring.shape[1]
    at = min(i, slots - 1)
    ring[0, at], ring[1, at] = k, v
    keys, values = ring[:, : at + 1]
    return (keys @ q / q.shape[-1] ** 0.5).softmax(-1) @ values


def step__reads_unused_slots(q: Tensor, k: Tensor, v: Tensor, ring: Tensor, i: int) -> Tensor:
    """Slots that no token has reached yet are zeros, which score 0 and take weight."""
    slots = ring.shape[1]
    ring[0, i % slots], ring[1, i % slots] = k, v
    return (ring[0] @ q / q.shape[-1] ** 0.5).softmax(-1) @ ring[1]


def step__reads_before_writing(q: Tensor, k: Tensor, v: Tensor, ring: Tensor, i: int) -> Tensor:
    """The token does not see itself, but the one that it is about to overwrite."""
    slots = ring.shape[1]
    keys, values = ring[:, : min(i + 1, slots)]
    out = (keys @ q / q.shape[-1] ** 0.5).softmax(-1) @ values
    ring[0, i % slots], ring[1, i % slots] = k, v
    return out
