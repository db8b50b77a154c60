"""Plausible wrong bodies of the exercise of inference/users_vs_concurrency."""

import math


def overload__forgets_the_idle(users, share, slots):
    """Those who are not active have no probability."""
    return sum(
        math.exp(math.lgamma(users + 1) - math.lgamma(k + 1) - math.lgamma(users - k + 1) + k * math.log(share))
        for k in range(slots + 1, min(users, slots + 60) + 1)
    )


def overload__forgets_the_combinations(users, share, slots):
    """The probability of one certain set of users for each count."""
    return sum(math.exp(k * math.log(share) + (users - k) * math.log1p(-share)) for k in range(slots + 1, users + 1))


def overload__uses_the_mean_alone(users, share, slots):
    """Over the limit always or never, by the mean."""
    return float(users * share > slots)
