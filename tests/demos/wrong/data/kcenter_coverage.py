"""What a learner might write instead."""

import torch


def farthest_first__takes_the_nearest(points, k):
    picks = [0]
    nearest = torch.cdist(points, points[:1])[:, 0]
    while len(picks) < k:
        nearest[picks] = torch.inf
        picks.append(int(nearest.argmin()))
        nearest = torch.minimum(nearest, torch.cdist(points, points[picks[-1] :][:1])[:, 0])
    return picks


def farthest_first__measures_to_the_last_pick_only(points, k):
    """Forgets the picks before: it runs to and fro between two ends."""
    picks = [0]
    while len(picks) < k:
        picks.append(int(torch.cdist(points, points[picks[-1] :][:1])[:, 0].argmax()))
    return picks


def farthest_first__takes_the_norm(points, k):
    """The points farthest from the origin, wherever the picks are."""
    return points.norm(dim=1).argsort(descending=True)[:k].tolist()
