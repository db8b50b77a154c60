"""Plausible wrong bodies of the exercise of pytorch/recompute_flops."""


def step_cost__adds_a_third_of_the_new_step(forward, recomputed):
    """The third is of the step before, not of the step after."""
    return 3 * forward / (1 - recomputed / 3)


def step_cost__counts_the_backward_again(forward, recomputed):
    """Backward runs once, however often forward does."""
    return 3 * forward * (1 + recomputed)
