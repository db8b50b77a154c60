"""Plausible wrong bodies of the exercises of demos/foundations/batch_scaling_rules.py."""


def scaled_rate__always_linear(lr, old, new, optimizer):
    return lr * new / old


def scaled_rate__always_root(lr, old, new, optimizer):
    return lr * (new / old) ** 0.5


def scaled_rate__divides(lr, old, new, optimizer):
    """A larger batch gets a smaller rate."""
    return lr * (old / new if optimizer == "SGD" else (old / new) ** 0.5)
