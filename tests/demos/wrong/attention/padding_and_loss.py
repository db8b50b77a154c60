"""Plausible wrong bodies of the loss over real tokens; a claim of the demo refutes each."""

import torch.nn.functional as F
from torch import Tensor


def loss__counts_padding(logits: Tensor, labels: Tensor, keep: Tensor) -> Tensor:
    """The padding token is a label like any other."""
    return F.cross_entropy(logits.transpose(1, 2), labels)


def loss__divides_by_all_positions(logits: Tensor, labels: Tensor, keep: Tensor) -> Tensor:
    """The losses of padding are zeroed, and their number stays in the mean."""
    return (F.cross_entropy(logits.transpose(1, 2), labels, reduction="none") * keep).mean()


def loss__averages_each_sequence(logits: Tensor, labels: Tensor, keep: Tensor) -> Tensor:
    """A mean of the sequences' means: tokens of short sequences count more."""
    each = F.cross_entropy(logits.transpose(1, 2), labels, reduction="none") * keep
    return (each.sum(1) / keep.sum(1)).mean()
