"""What a learner might write instead."""
# ruff: noqa: F821


def slopes__always_halves(heads):
    return 2.0 ** -torch.arange(1, heads + 1, dtype=F64)


def slopes__starts_at_one(heads):
    return 2.0 ** (-8 * torch.arange(heads, dtype=F64) / heads)


def slopes__evenly_spaced(heads):
    return torch.linspace(2 ** (-8 / heads), 2**-8, heads, dtype=F64)


def slopes__no_borrowing(heads):
    return 2.0 ** (-8 * torch.arange(1, heads + 1, dtype=F64) / heads)
