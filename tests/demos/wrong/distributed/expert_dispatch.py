"""What a learner might write instead."""
# ruff: noqa: F821


def needed__deals_experts_round_robin(chosen, experts, ranks):
    return F.one_hot(chosen % ranks, ranks).amax(1) > 0


def needed__follows_the_first_choice(chosen, experts, ranks):
    return F.one_hot(chosen[:, 0] // (experts // ranks), ranks) > 0


def needed__counts_every_choice(chosen, experts, ranks):
    return F.one_hot(chosen // (experts // ranks), ranks).sum(1)
