"""What a learner might write instead."""
# ruff: noqa: F821


def sinusoids__sines_only(positions, d, base):
    angle = positions[:, None].to(F64) * base ** (-torch.arange(0, d, 2, dtype=F64) / d)
    return torch.stack((angle.sin(), angle.sin()), -1).flatten(-2)


def sinusoids__halves_the_exponent(positions, d, base):
    angle = positions[:, None].to(F64) * base ** (-torch.arange(d // 2, dtype=F64) / d)
    return torch.stack((angle.sin(), angle.cos()), -1).flatten(-2)


def sinusoids__sines_then_cosines(positions, d, base):
    angle = positions[:, None].to(F64) * base ** (-torch.arange(0, d, 2, dtype=F64) / d)
    return torch.cat((angle.sin(), angle.cos()), -1)
