"""Plausible wrong bodies of the exercise of normalization/batchnorm_momentum."""


def update_running__keras_convention(mean, variance, x, momentum):
    """Momentum is taken for the weight of the old value."""
    return momentum * mean + (1 - momentum) * x.mean(0), momentum * variance + (1 - momentum) * x.var(0)


def update_running__biased_variance(mean, variance, x, momentum):
    """The variance that normalises is stored too."""
    return mean + momentum * (x.mean(0) - mean), variance + momentum * (x.var(0, correction=0) - variance)


def update_running__one_pair_for_all_features(mean, variance, x, momentum):
    """One mean and one variance for the whole batch."""
    return mean + momentum * (x.mean() - mean), variance + momentum * (x.var() - variance)
