"""What a learner might write instead."""


def global_rank__node_times_own_workers(node, local, workers):
    return node * workers[node] + local


def global_rank__counts_from_the_end(node, local, workers):
    return sum(workers[node + 1 :]) + local


def shard__leaves_the_tail_out(samples, rank, ranks):
    return list(range(rank, samples // ranks * ranks, ranks))


def shard__cuts_into_blocks(samples, rank, ranks):
    each_gets = -(-samples // ranks)
    return [i % samples for i in range(rank * each_gets, (rank + 1) * each_gets)]
