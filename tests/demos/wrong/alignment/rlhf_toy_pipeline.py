"""Plausible wrong bodies of the exercises of alignment/rlhf_toy_pipeline."""


def tilted__multiplies_by_beta(log_ref, reward, beta):
    """β on the wrong side: a larger penalty would tilt more."""
    return (log_ref + reward * beta).log_softmax(-1)


def tilted__forgets_the_reference(log_ref, reward, beta):
    """A softmax of the rewards alone."""
    return (reward / beta).log_softmax(-1)


def tilted__adds_to_probabilities(log_ref, reward, beta):
    """The reward is added to the probability, not to its logarithm."""
    return (log_ref.exp() + reward / beta).log_softmax(-1)
