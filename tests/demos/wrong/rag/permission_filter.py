"""What a learner might write instead."""

import torch


def search_allowed__filters_afterwards(scores, allowed, k):
    """Top k first."""
    first = scores.topk(k).indices
    return first[allowed[first]]


def search_allowed__multiplies_by_the_mask(scores, allowed, k):
    """Zero beats a negative score."""
    return (scores * allowed).topk(k).indices


def search_allowed__fills_up(scores, allowed, k):
    """Forbidden passages fill the list where too few are allowed."""
    return scores.masked_fill(~allowed, -torch.inf).topk(k).indices
