"""Plausible wrong bodies of the exercise of normalization/layernorm."""


def layer_norm__unbiased_variance(x, gain, bias, eps):
    """torch's default variance divides by width − 1."""
    return gain * (x - x.mean(-1, keepdim=True)) / (x.var(-1, keepdim=True) + eps).sqrt() + bias


def layer_norm__over_the_tokens(x, gain, bias, eps):
    """The statistics of a feature over the tokens."""
    centred = x - x.mean(-2, keepdim=True)
    return gain * centred / (centred.square().mean(-2, keepdim=True) + eps).sqrt() + bias


def layer_norm__eps_outside_the_root(x, gain, bias, eps):
    """ε added to the deviation instead of to the variance."""
    centred = x - x.mean(-1, keepdim=True)
    return gain * centred / (centred.square().mean(-1, keepdim=True).sqrt() + eps) + bias


def layer_norm__one_pass(x, gain, bias, eps):
    """Both moments at once: they cancel where the mean is large."""
    mean = x.mean(-1, keepdim=True)
    variance = (x.square().mean(-1, keepdim=True) - mean.square()).clamp(min=0)
    return gain * (x - mean) / (variance + eps).sqrt() + bias


def layer_norm__one_gain_for_all(x, gain, bias, eps):
    """A single scale and shift for all features."""
    centred = x - x.mean(-1, keepdim=True)
    return gain.mean() * centred / (centred.square().mean(-1, keepdim=True) + eps).sqrt() + bias.mean()
