"""Plausible wrong bodies of the exercises of demos/position/rope_ntk_base.py."""


def raised_base__times_s(base, d_head, s):
    return base * s


def raised_base__inverse_exponent(base, d_head, s):
    return base * s ** ((d_head - 2) / d_head)
