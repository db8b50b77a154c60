"""What a learner might write instead."""

def interleaved__finishes_a_chunk_first(rank, ranks, chunks, batches):
    turns = [(c, i) for c in range(chunks) for i in range(batches)]
    forwards = [("F", c, i) for c, i in turns]
    backwards = [("B", chunks - 1 - c, i) for c, i in turns]
    warm = min(2 * (ranks - 1 - rank) + (chunks - 1) * batches, len(turns))
    order = forwards[:warm]
    for f, b in zip(forwards[warm:], backwards, strict=False):
        order += [f, b]
    return order + backwards[len(turns) - warm:]


def interleaved__warms_up_as_without_chunks(rank, ranks, chunks, batches):
    turns = [(c, first + i) for first in range(0, batches, ranks) for c in range(chunks) for i in range(ranks)]
    forwards = [("F", c, i) for c, i in turns]
    backwards = [("B", chunks - 1 - c, i) for c, i in turns]
    warm = min(ranks - 1 - rank, len(turns))
    order = forwards[:warm]
    for f, b in zip(forwards[warm:], backwards, strict=False):
        order += [f, b]
    return order + backwards[len(turns) - warm:]


def interleaved__first_chunk_backward_first(rank, ranks, chunks, batches):
    turns = [(c, first + i) for first in range(0, batches, ranks) for c in range(chunks) for i in range(ranks)]
    forwards = [("F", c, i) for c, i in turns]
    backwards = [("B", c, i) for c, i in turns]
    warm = min(2 * (ranks - 1 - rank) + (chunks - 1) * ranks, len(turns))
    order = forwards[:warm]
    for f, b in zip(forwards[warm:], backwards, strict=False):
        order += [f, b]
    return order + backwards[len(turns) - warm:]
