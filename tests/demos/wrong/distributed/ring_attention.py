"""Plausible wrong bodies of the exercises of distributed/ring_attention."""

import torch


def zigzag__takes_neighbours(tokens, rank, ranks):
    """Two chunks that lie together: the contiguous cut again."""
    chunks = torch.arange(tokens).chunk(2 * ranks)
    return torch.cat((chunks[2 * rank], chunks[2 * rank + 1]))


def zigzag__takes_every_nth_token(tokens, rank, ranks):
    """Striped: the work is even, but every tile is half masked, and none can be skipped."""
    return torch.arange(tokens)[rank::ranks]


def zigzag__pairs_by_half_a_sequence(tokens, rank, ranks):
    """An early chunk with the chunk half a sequence later."""
    chunks = torch.arange(tokens).chunk(2 * ranks)
    return torch.cat((chunks[rank], chunks[rank + ranks]))
