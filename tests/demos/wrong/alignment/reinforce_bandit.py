"""Plausible wrong bodies of the exercises of alignment/reinforce_bandit."""


def leave_one_out__group_mean(rewards):
    """The mean with the sample in it."""
    return rewards.mean(-1, keepdim=True).expand_as(rewards)


def leave_one_out__divides_by_the_group(rewards):
    """The others' sum with the wrong sign, over G."""
    return (rewards - rewards.sum(-1, keepdim=True)) / rewards.shape[-1]


def leave_one_out__others_summed(rewards):
    """The sample's own reward is subtracted twice."""
    return (rewards.sum(-1, keepdim=True) - 2 * rewards) / (rewards.shape[-1] - 1)
