"""Plausible wrong bodies of the exercises of foundations/class_weights."""

import torch.nn.functional as F


def weighted_cross_entropy__over_the_rows(z, target, weight):
    """Divided by the number of rows."""
    return (weight[target] * F.cross_entropy(z, target, reduction="none")).mean()


def weighted_cross_entropy__weight_of_the_prediction(z, target, weight):
    """The weight of the class that the model would answer."""
    w = weight[z.argmax(1)]
    return (w * F.cross_entropy(z, target, reduction="none")).sum() / w.sum()
