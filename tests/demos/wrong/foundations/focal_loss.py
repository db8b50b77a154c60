"""Plausible wrong bodies of the exercises of foundations/focal_loss."""


def focal_loss__weights_the_hit(z, target, gamma):
    """p^γ for (1 − p)^γ."""
    log_p = z.log_softmax(1).gather(1, target[:, None]).squeeze(1)
    return -log_p.exp() ** gamma * log_p


def focal_loss__detached_weight(z, target, gamma):
    """The right value, but no gradient through the weight."""
    log_p = z.log_softmax(1).gather(1, target[:, None]).squeeze(1)
    return -((1 - log_p.exp()) ** gamma).detach() * log_p
