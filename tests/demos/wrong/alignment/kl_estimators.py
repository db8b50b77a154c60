"""Plausible wrong bodies of the exercises of alignment/kl_estimators."""


def corrected_k3__no_ratio(log_pi, log_old, log_ref):
    """k3 alone: GRPO's loss as published."""
    r = log_ref - log_pi
    return r.exp() - 1 - r


def corrected_k3__detached_ratio(log_pi, log_old, log_ref):
    """The ratio as a constant: the right value with the wrong gradient."""
    r = log_ref - log_pi
    return (log_pi - log_old).exp().detach() * (r.exp() - 1 - r)


def corrected_k3__is_k1(log_pi, log_old, log_ref):
    """The plain log ratio as a loss."""
    return log_pi - log_ref


def corrected_k3__turned_round(log_pi, log_old, log_ref):
    """The other direction's estimate, policy over reference."""
    r = log_pi - log_ref
    return (log_pi - log_old).exp() * (r.exp() - 1 - r)
