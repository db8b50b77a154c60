"""What a learner might write instead."""

import torch


def scan__adds_without_gates(a, b):
    """A running sum: what came before is not scaled."""
    return b.cumsum(0)


def scan__gates_stay(a, b):
    """The gates of a longer step are not multiplied."""
    reach = 1
    while reach < len(a):
        b = a * torch.cat((torch.zeros_like(b[:reach]), b[:-reach])) + b
        reach *= 2
    return b


def scan__one_round_short(a, b):
    """Stops while the reach is half of the text."""
    reach = 1
    while 2 * reach < len(a):
        earlier_a = torch.cat((torch.ones_like(a[:reach]), a[:-reach]))
        earlier_b = torch.cat((torch.zeros_like(b[:reach]), b[:-reach]))
        a, b = a * earlier_a, a * earlier_b + b
        reach *= 2
    return b
