"""Plausible wrong bodies of the exercise of alignment/grpo_advantages."""


def grpo__keeps_the_raw_rewards(rewards):
    """No baseline: plain REINFORCE."""
    return rewards


def grpo__takes_the_mean_of_the_batch(rewards):
    """Mean and deviation over all prompts."""
    return (rewards - rewards.mean()) / rewards.std(correction=0)


def grpo__leaves_out_the_deviation(rewards):
    """Dr. GRPO's advantage."""
    return rewards - rewards.mean(1, keepdim=True)


def grpo__divides_by_zero(rewards):
    """An all-right or all-wrong group becomes 0/0."""
    return (rewards - rewards.mean(1, keepdim=True)) / rewards.std(1, correction=0, keepdim=True)


def grpo__uses_the_sample_deviation(rewards):
    """Divided by G − 1 inside the root, as torch's std does unless told otherwise."""
    deviation = rewards.std(1, keepdim=True)
    return (rewards - rewards.mean(1, keepdim=True)) / deviation.where(deviation > 0, 1.0)
