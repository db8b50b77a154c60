"""Plausible wrong bodies of attention under a padding mask; a claim of the demo refutes each."""

from torch import Tensor


def weights__zeroes_after_softmax(q: Tensor, k: Tensor, keep: Tensor) -> Tensor:
    """Padding is still counted in the denominator."""
    return (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).softmax(-1) * keep[:, None, None]


def weights__multiplies_the_scores(q: Tensor, k: Tensor, keep: Tensor) -> Tensor:
    """A score of 0 is no mask."""
    return (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5 * keep[:, None, None]).softmax(-1)


def weights__masks_the_queries(q: Tensor, k: Tensor, keep: Tensor) -> Tensor:
    """The mask stands on the wrong axis."""
    scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
    return scores.masked_fill(~keep[:, None, :, None], -1e9).softmax(-1)
