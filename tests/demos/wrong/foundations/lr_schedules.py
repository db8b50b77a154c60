"""Plausible wrong bodies of the exercises of demos/foundations/lr_schedules.py."""

import math


def cosine__forgets_the_floor(step, total, warmup, final):
    if step <= warmup:
        return step / warmup
    return (1 + math.cos(math.pi * (step - warmup) / (total - warmup))) / 2


def cosine__starts_at_zero(step, total, warmup, final):
    """The cosine counts from step 0, so that it drops behind the warm-up."""
    if step <= warmup:
        return step / warmup
    return final + (1 - final) * (1 + math.cos(math.pi * step / total)) / 2


def cosine__half_a_turn_too_many(step, total, warmup, final):
    """A whole turn: the rate comes up again."""
    if step <= warmup:
        return step / warmup
    return final + (1 - final) * (1 + math.cos(2 * math.pi * (step - warmup) / (total - warmup))) / 2


def wsd__decays_at_once(step, total, warmup, decay, final):
    if step <= warmup:
        return step / warmup
    return final + (1 - final) * (total - step) / (total - warmup)


def wsd__never_decays(step, total, warmup, decay, final):
    return min(1.0, step / warmup)


def wsd__counts_from_the_end(step, total, warmup, decay, final):
    """The decay's length as its start."""
    if step <= warmup:
        return step / warmup
    return 1.0 if step < decay * total else final + (1 - final) * (total - step) / ((1 - decay) * total)
