"""What a learner might write instead."""
# ruff: noqa: F821


def ring_all_reduce__stops_after_reduce_scatter(x, rank, ranks, shift):
    chunks = list(x.chunk(ranks))
    for step in range(ranks - 1):
        mine, theirs = (rank - step) % ranks, (rank - step - 1) % ranks
        chunks[theirs] = chunks[theirs] + shift(chunks[mine])
    return torch.cat(chunks)


def ring_all_reduce__passes_the_whole_tensor(x, rank, ranks, shift):
    total = passing = x
    for _ in range(ranks - 1):
        passing = shift(passing)
        total = total + passing
    return total


def ring_all_reduce__gathers_the_old_chunks(x, rank, ranks, shift):
    chunks = list(x.chunk(ranks))
    for step in range(ranks - 1):
        mine, theirs = (rank - step) % ranks, (rank - step - 1) % ranks
        chunks[theirs] = chunks[theirs] + shift(chunks[mine])
    for step in range(ranks - 1):
        mine, theirs = (rank - step) % ranks, (rank - step - 1) % ranks
        chunks[theirs] = shift(chunks[mine])
    return torch.cat(chunks)
