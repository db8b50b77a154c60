"""What a learner might write instead."""


def zero1_update__steps_with_its_own_gradient(weights, gradient, ring, optimizer):
    """No reduction: the shard follows this rank's batch alone."""
    shard = weights.view(ring.ranks, -1)[ring.rank]
    optimizer.step(shard, gradient.view(ring.ranks, -1)[ring.rank])
    weights.copy_(ring.all_gather(shard))


def zero1_update__forgets_the_mean(weights, gradient, ring, optimizer):
    """The sum over ranks: Adam hides a constant factor, except beside its eps."""
    shard = weights.view(ring.ranks, -1)[ring.rank]
    optimizer.step(shard, ring.reduce_scatter(gradient))
    weights.copy_(ring.all_gather(shard))


def zero1_update__keeps_the_others_old(weights, gradient, ring, optimizer):
    """No all-gather: each rank goes on with the other shards as they were."""
    mine = ring.reduce_scatter(gradient) / ring.ranks
    optimizer.step(weights.view(ring.ranks, -1)[ring.rank], mine)


def zero1_update__steps_all_with_the_shard(weights, gradient, ring, optimizer):
    """The shard before the update is gathered, the update is lost."""
    mine = ring.reduce_scatter(gradient) / ring.ranks
    shard = weights.view(ring.ranks, -1)[ring.rank].clone()
    optimizer.step(shard, mine)
    weights.copy_(ring.all_gather(weights.view(ring.ranks, -1)[ring.rank]))
