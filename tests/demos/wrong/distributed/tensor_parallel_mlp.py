"""Plausible wrong bodies of the exercises of distributed/tensor_parallel_mlp."""

# ruff: noqa: F821  (Enter and Leave are the demo's)
import torch.nn.functional as F


def column_row_mlp__adds_the_bias_before_the_sum(x, w1, w2, bias, rank, ranks):
    """Every rank adds the bias, and the sum holds it `ranks` times."""
    h = F.gelu(Enter.apply(x) @ w1.chunk(ranks, 1)[rank])
    return Leave.apply(h @ w2.chunk(ranks, 0)[rank] + bias)


def column_row_mlp__forgets_the_gradient_of_the_input(x, w1, w2, bias, rank, ranks):
    """The output is right; dX is what this rank's columns say."""
    return Leave.apply(F.gelu(x @ w1.chunk(ranks, 1)[rank]) @ w2.chunk(ranks, 0)[rank]) + bias


def column_row_mlp__cuts_the_first_weight_by_rows(x, w1, w2, bias, rank, ranks):
    """GeLU of partial sums."""
    part = Enter.apply(x).chunk(ranks, 1)[rank] @ w1.chunk(ranks, 0)[rank]
    return Leave.apply(Enter.apply(F.gelu(part)).chunk(ranks, 1)[rank] @ w2.chunk(ranks, 0)[rank]) + bias


def column_row_mlp__sums_before_the_activation(x, w1, w2, bias, rank, ranks):
    """Right, but the hidden layer is summed as well, which costs four times the bytes."""
    part = Enter.apply(x).chunk(ranks, 1)[rank] @ w1.chunk(ranks, 0)[rank]
    h = Enter.apply(F.gelu(Leave.apply(part)))
    return Leave.apply(h.chunk(ranks, 1)[rank] @ w2.chunk(ranks, 0)[rank]) + bias
