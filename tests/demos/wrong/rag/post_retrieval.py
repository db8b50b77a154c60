"""What a learner might write instead."""

import torch


def mmr__subtracts_the_mean(relevance, similarity, k, weight):
    """Mean instead of the largest similarity."""
    picked = []
    for _ in range(k):
        nearest = similarity[picked].mean(0) if picked else torch.zeros_like(relevance)
        gain = weight * relevance - (1 - weight) * nearest
        gain[picked] = -torch.inf
        picked.append(int(gain.argmax()))
    return picked


def mmr__forgets_the_weight(relevance, similarity, k, weight):
    """Relevance less similarity, whatever the weight."""
    picked = []
    for _ in range(k):
        nearest = similarity[picked].amax(0) if picked else torch.zeros_like(relevance)
        gain = relevance - (1 - weight) * nearest
        gain[picked] = -torch.inf
        picked.append(int(gain.argmax()))
    return picked


def mmr__picks_twice(relevance, similarity, k, weight):
    """Nothing keeps it from the same passage."""
    picked = []
    for _ in range(k):
        picked.append(int((weight * relevance).argmax()))
    return picked
