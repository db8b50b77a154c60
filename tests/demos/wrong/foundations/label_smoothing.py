"""Plausible wrong bodies of the exercises of foundations/label_smoothing."""

import torch.nn.functional as F


def smoothed_cross_entropy__nothing_for_the_right_class(z, target, smoothing):
    """The share ε goes to the other classes only."""
    log_p = z.log_softmax(1)
    right = log_p.gather(1, target[:, None]).squeeze(1)
    return -(1 - smoothing) * right - smoothing * (log_p.sum(1) - right) / (z.shape[1] - 1)


def smoothed_cross_entropy__smooths_the_prediction(z, target, smoothing):
    """The probabilities are mixed with the uniform ones instead of the labels."""
    p = (1 - smoothing) * z.softmax(1) + smoothing / z.shape[1]
    return F.nll_loss(p.log(), target, reduction="none")
