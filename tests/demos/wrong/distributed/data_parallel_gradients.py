"""What a learner might write instead."""

import torch.distributed as dist


def all_reduce_mean__averages_over_ranks(gradients, tokens):
    """The summed gradients over the number of ranks: as many times too large as a rank has tokens."""
    for g in gradients:
        dist.all_reduce(g)
    return [g / dist.get_world_size() for g in gradients]


def all_reduce_mean__divides_by_own_tokens_first(gradients, tokens):
    """A mean of means: right only where all ranks have as many tokens."""
    means = [g / tokens for g in gradients]
    for g in means:
        dist.all_reduce(g)
    return [g / dist.get_world_size() for g in means]


def all_reduce_mean__forgets_to_divide(gradients, tokens):
    for g in gradients:
        dist.all_reduce(g)
    return gradients
