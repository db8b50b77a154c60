"""Plausible wrong bodies of grouped attention; a claim of the demo refutes each."""

from torch import Tensor


def grouped_attention__interleaves_the_groups(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Query head i reads KV head i % kv_heads."""
    g = q.shape[1] // k.shape[1]
    k, v = k.repeat(1, g, 1, 1), v.repeat(1, g, 1, 1)
    return (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1) @ v


def grouped_attention__forgets_the_scale(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """The scores are not divided by √d_head."""
    rows = q.reshape(len(q), k.shape[1], -1, q.shape[-1])
    return ((rows @ k.mT).softmax(-1) @ v).view(q.shape)


def grouped_attention__scales_by_the_rows(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Divided by the root of the number of rows instead of d_head."""
    rows = q.reshape(len(q), k.shape[1], -1, q.shape[-1])
    return ((rows @ k.mT / rows.shape[-2] ** 0.5).softmax(-1) @ v).view(q.shape)


def grouped_attention__softmax_over_queries(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """The softmax runs over the query rows, not over the keys."""
    rows = q.reshape(len(q), k.shape[1], -1, q.shape[-1])
    return ((rows @ k.mT / q.shape[-1] ** 0.5).softmax(-2) @ v).view(q.shape)
