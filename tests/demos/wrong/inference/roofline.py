"""Plausible wrong bodies of the exercise of inference/roofline."""


def rate__takes_the_higher_roof(intensity, peak, bandwidth):
    """The larger of the two."""
    return max(peak, intensity * bandwidth)


def rate__adds_the_two_times(intensity, peak, bandwidth):
    """Loads and arithmetic one after the other."""
    return intensity / (intensity / peak + 1 / bandwidth)


def rate__forgets_the_peak(intensity, peak, bandwidth):
    """Bandwidth alone."""
    return intensity * bandwidth
