"""What a learner might write instead."""

import torch


def nearest_fit__is_nearest_to_zero(x, y, start):
    return torch.linalg.pinv(x) @ y


def nearest_fit__is_ridge(x, y, start):
    """Pulled to the start with a weight that does not vanish: the examples are not fitted."""
    gram = x.T @ x + 10 * torch.eye(x.shape[1], dtype=x.dtype)
    return start + torch.linalg.solve(gram, x.T @ (y - x @ start))


def nearest_fit__returns_the_change(x, y, start):
    return torch.linalg.pinv(x) @ (y - x @ start)
