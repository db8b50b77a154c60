"""Plausible wrong bodies of the exercises of foundations/kl_estimators."""


def k3__ratio_turned_round(log_policy, log_reference):
    """r is policy over reference: its mean under the policy is another number."""
    log_r = log_policy - log_reference
    return log_r.expm1() - log_r


def k3__is_k1(log_policy, log_reference):
    """The plain log ratio: unbiased, but negative half of the time."""
    return log_policy - log_reference


def k3__forgets_minus_one(log_policy, log_reference):
    """r − ln r: too large by one."""
    log_r = log_reference - log_policy
    return log_r.exp() - log_r


def k3__square(log_policy, log_reference):
    """(ln r)², k2 without its half."""
    return (log_reference - log_policy) ** 2
