"""Plausible wrong bodies of the exercise of nlp/lm_shift."""

import torch.nn.functional as F


def lm_loss__does_not_shift(logits, labels):
    """Each position against its own token."""
    return F.cross_entropy(logits.flatten(0, 1), labels.flatten())


def lm_loss__shifts_twice(logits, labels):
    """As if the labels had come shifted."""
    return F.cross_entropy(logits[:, :-2].flatten(0, 1), labels[:, 2:].flatten())


def lm_loss__divides_by_all(logits, labels):
    """The mean over all positions, masked ones counted as 0."""
    return F.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), reduction="none").mean()


def lm_loss__softmax_first(logits, labels):
    """Probabilities where logits are asked for."""
    return F.cross_entropy(logits[:, :-1].softmax(-1).flatten(0, 1), labels[:, 1:].flatten())
