"""What a learner might write instead."""
# ruff: noqa: F821

import torch


def dot__never_promotes(a, b, bits, interval):
    narrow = torch.zeros(a.shape[0], b.shape[1], dtype=a.dtype)
    for start in range(0, a.shape[1], 32):
        narrow = cut(narrow + a[:, start:start + 32] @ b[start:start + 32], bits)
    return narrow


def dot__forgets_to_clear(a, b, bits, interval):
    """What went into the wide sum goes in again."""
    wide = torch.zeros(a.shape[0], b.shape[1], dtype=a.dtype)
    narrow = torch.zeros_like(wide)
    for start in range(0, a.shape[1], 32):
        narrow = cut(narrow + a[:, start:start + 32] @ b[start:start + 32], bits)
        if (start + 32) % interval == 0:
            wide += narrow
    return wide


def dot__cuts_the_total(a, b, bits, interval):
    """The wide sum is as narrow as the other."""
    wide = torch.zeros(a.shape[0], b.shape[1], dtype=a.dtype)
    narrow = torch.zeros_like(wide)
    for start in range(0, a.shape[1], 32):
        narrow = cut(narrow + a[:, start:start + 32] @ b[start:start + 32], bits)
        if (start + 32) % interval == 0:
            wide = cut(wide + narrow, bits)
            narrow = torch.zeros_like(narrow)
    return wide
