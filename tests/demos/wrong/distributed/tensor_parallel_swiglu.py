"""Plausible wrong bodies of the exercises of distributed/tensor_parallel_swiglu."""

import torch


def shard__cuts_end_to_end(gate_up, rank, ranks):
    """As if gate and up were one matrix."""
    return gate_up.chunk(ranks, 1)[rank]


def shard__takes_gate_and_up_of_different_ranks(gate_up, rank, ranks):
    """The columns of up are those of the next rank."""
    gate, up = gate_up.chunk(2, 1)
    return torch.cat((gate.chunk(ranks, 1)[rank], up.chunk(ranks, 1)[(rank + 1) % ranks]), 1)


def shard__interleaves_single_columns(gate_up, rank, ranks):
    """Right columns in the order gate, up, gate, up: the part is not [gate | up]."""
    gate, up = gate_up.chunk(2, 1)
    return torch.stack((gate.chunk(ranks, 1)[rank], up.chunk(ranks, 1)[rank]), 2).flatten(1)
