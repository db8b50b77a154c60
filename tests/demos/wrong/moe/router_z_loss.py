"""Plausible wrong bodies of the exercise of moe/router_z_loss."""


def z_loss__forgets_the_square(logits):
    """The log-sum-exp itself: it can fall for ever."""
    return logits.logsumexp(-1).mean()


def z_loss__squares_the_logits(logits):
    """The mean square of the logits: it shrinks differences too."""
    return logits.square().mean()
