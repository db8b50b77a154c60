"""What a learner might write instead."""

import torch


def delta__sends_differences(old, new):
    """Differences where the holder puts values."""
    change = new.flatten() - old.flatten()
    positions = change.nonzero()[:, 0].int()
    return positions, change[positions]


def delta__drops_small_changes(old, new):
    """A step of bf16 down where 0.001 is not reached: lost for ever."""
    flat = new.flatten()
    positions = ((flat.float() - old.flatten().float()).abs() > 1e-3).nonzero()[:, 0].int()
    return positions, flat[positions]


def delta__compares_with_a_tolerance(old, new):
    flat = new.flatten()
    positions = (~torch.isclose(old.flatten().float(), flat.float(), rtol=1e-2)).nonzero()[:, 0].int()
    return positions, flat[positions]
