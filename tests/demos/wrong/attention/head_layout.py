"""Plausible wrong bodies of the split into heads; a claim of the demo refutes each."""

from torch import Tensor


def split__views_without_transpose(x: Tensor, heads: int) -> Tensor:
    """The right shape from the wrong order of axes."""
    return x.contiguous().view(x.shape[0], heads, x.shape[1], -1)


def split__takes_every_h_th_column(x: Tensor, heads: int) -> Tensor:
    """Head i takes columns i, i + H, i + 2H …: another model's weights."""
    return x.unflatten(-1, (-1, heads)).permute(0, 3, 1, 2)
