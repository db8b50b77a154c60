"""Plausible wrong bodies of the output projection; a claim of the demo refutes each."""

from torch import Tensor


def project__averages_the_heads(per_head: Tensor, w_o: Tensor) -> Tensor:
    """The mean of the terms, where their sum is wanted."""
    return (per_head @ w_o.unflatten(0, (len(per_head), -1))).mean(0)


def project__cuts_columns(per_head: Tensor, w_o: Tensor) -> Tensor:
    """Head i fills its own slice of the output: W_O is cut by columns."""
    d = per_head.shape[-1]
    out = per_head.new_zeros(per_head.shape[1], w_o.shape[1])
    for i, head in enumerate(per_head):
        own = slice(i * d, (i + 1) * d)
        out[:, own] = head @ w_o[own, own]
    return out


def project__forgets_to_add(per_head: Tensor, w_o: Tensor) -> Tensor:
    """Only the last head's term is returned."""
    return (per_head @ w_o.unflatten(0, (len(per_head), -1)))[-1]
