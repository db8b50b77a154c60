"""What a learner might write instead."""

import torch


def fine_tuned__starts_from_zero(x, y, features):
    """Ignores the features: the smallest weights that fit."""
    return torch.linalg.pinv(x) @ y


def fine_tuned__forgets_the_start(x, y, features):
    """Computes the change from the head's solution, and returns the change alone."""
    start = features @ (torch.linalg.pinv(x @ features) @ y)
    return torch.linalg.pinv(x) @ (y - x @ start)


def fine_tuned__trains_the_head_alone(x, y, features):
    return features @ (torch.linalg.pinv(x @ features) @ y)
