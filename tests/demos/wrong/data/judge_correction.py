"""What a learner might write instead."""

import torch


def corrected_rate__takes_people_alone(verdicts, verdicts_too, people):
    """Unbiased, and as noisy as the few labels: the judge's work is thrown away."""
    return people.mean(-1)


def corrected_rate__adds_the_bias(verdicts, verdicts_too, people):
    return verdicts.mean(-1) + (verdicts_too - people).mean(-1)


def corrected_rate__pools_labels_and_verdicts(verdicts, verdicts_too, people):
    """One average over both: a few right labels drown in many biased verdicts."""
    few, many = people.shape[-1], verdicts.shape[-1]
    return (people.sum(-1) + verdicts.sum(-1)) / torch.tensor(float(few + many))
