"""Plausible wrong bodies of the exercise of finetuning/eval_noise."""


def paired_error__treats_them_as_two_samples(before, after):
    """The errors of the two accuracies, added in quadrature."""
    return sum(p * (1 - p) / before.shape[-1] for p in (before.mean(-1), after.mean(-1))).sqrt()


def paired_error__forgets_the_root(before, after):
    """The standard deviation of one item's difference."""
    return (after - before).std(-1)
