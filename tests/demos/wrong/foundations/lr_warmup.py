"""Plausible wrong bodies of the exercises of demos/foundations/lr_warmup.py."""


def warmed_up__starts_at_the_target(step, target, warmup):
    return target


def warmed_up__never_stops(step, target, warmup):
    """Goes on rising behind the warm-up."""
    return target * step / warmup


def warmed_up__ends_at_the_start(step, target, warmup):
    """Falls instead of rising."""
    return target * max(0.0, 1 - step / warmup)
