"""Plausible wrong bodies of the exercises of alignment/reward_model_loss."""

import torch
import torch.nn.functional as F


def ranking_loss__worst_first(scores):
    """The sign turned round."""
    better, worse = torch.triu_indices(scores.shape[1], scores.shape[1], 1)
    return -F.logsigmoid(scores[:, worse] - scores[:, better]).mean(1)


def ranking_loss__counts_a_pair_twice_and_itself(scores):
    """All k² differences, absolute: pairs twice, and each response against itself."""
    return -F.logsigmoid((scores[:, :, None] - scores[:, None, :]).abs()).mean((1, 2))


def ranking_loss__neighbours_only(scores):
    """Only responses next to each other in the ranking."""
    return -F.logsigmoid(scores[:, :-1] - scores[:, 1:]).mean(1)


def ranking_loss__sums_the_pairs(scores):
    """A sum: prompts with more responses would weigh more."""
    better, worse = torch.triu_indices(scores.shape[1], scores.shape[1], 1)
    return -F.logsigmoid(scores[:, better] - scores[:, worse]).sum(1)
