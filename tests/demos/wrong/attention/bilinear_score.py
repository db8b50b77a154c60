"""Plausible wrong bodies of the exercises of attention/bilinear_score."""

import torch


def projections__forgets_the_singular_values(w, r):
    """The right directions, all of one strength."""
    u, _, vt = torch.linalg.svd(w)
    return u[:, :r], vt[:r].T


def projections__takes_them_twice(w, r):
    """The singular values stand on both sides."""
    u, s, vt = torch.linalg.svd(w)
    return u[:, :r] * s[:r], vt[:r].T * s[:r]


def projections__keeps_the_smallest(w, r):
    """The last singular values instead of the first."""
    u, s, vt = torch.linalg.svd(w)
    root = s[-r:].sqrt()
    return u[:, -r:] * root, vt[-r:].T * root
