"""What a learner might write instead."""
# ruff: noqa: F821


def rotate__turns_backwards(x, positions, base):
    theta = base ** (-torch.arange(0, x.shape[-1], 2, dtype=F64) / x.shape[-1])
    angle = positions[:, None].to(F64) * theta
    cos, sin, even, odd = angle.cos(), angle.sin(), x[..., 0::2], x[..., 1::2]
    return torch.stack((even * cos + odd * sin, odd * cos - even * sin), -1).flatten(-2)


def rotate__pairs_the_halves(x, positions, base):
    theta = base ** (-torch.arange(0, x.shape[-1], 2, dtype=F64) / x.shape[-1])
    angle = (positions[:, None].to(F64) * theta).repeat(1, 2)
    first, second = x.chunk(2, -1)
    return x * angle.cos() + torch.cat((-second, first), -1) * angle.sin()


def rotate__turns_all_pairs_alike(x, positions, base):
    angle = positions[:, None].to(F64)
    cos, sin, even, odd = angle.cos(), angle.sin(), x[..., 0::2], x[..., 1::2]
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(-2)


def rotate__halves_the_exponent(x, positions, base):
    theta = base ** (-torch.arange(x.shape[-1] // 2, dtype=F64) / x.shape[-1])
    angle = positions[:, None].to(F64) * theta
    cos, sin, even, odd = angle.cos(), angle.sin(), x[..., 0::2], x[..., 1::2]
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(-2)


def rotate__adds_the_angle(x, positions, base):
    theta = base ** (-torch.arange(0, x.shape[-1], 2, dtype=F64) / x.shape[-1])
    angle = positions[:, None].to(F64) * theta
    return x + torch.stack((angle.cos(), angle.sin()), -1).flatten(-2)
