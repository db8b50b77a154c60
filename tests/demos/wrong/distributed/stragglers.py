"""What a learner might write instead."""


def synchronous__averages_the_ranks(compute, transfer):
    step = compute.mean(1) + transfer
    return step, step[:, None] - compute


def synchronous__waits_for_the_first(compute, transfer):
    step = compute.amin(1) + transfer
    return step, step[:, None] - compute
