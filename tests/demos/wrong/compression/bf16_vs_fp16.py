"""What a learner might write instead."""
# ruff: noqa: F821


def to_format__truncates(x, exponent_bits, mantissa_bits):
    bias = 2 ** (exponent_bits - 1) - 1
    spacing = 2.0 ** ((torch.frexp(x)[1] - 1).clamp(min=1 - bias) - mantissa_bits)
    return (x / spacing).trunc() * spacing


def to_format__forgets_subnormals(x, exponent_bits, mantissa_bits):
    """Keeps full precision below the smallest normal number."""
    spacing = 2.0 ** (torch.frexp(x)[1] - 1 - mantissa_bits)
    rounded = (x / spacing).round() * spacing
    largest = (2 - 2.0**-mantissa_bits) * 2.0 ** (2 ** (exponent_bits - 1) - 1)
    return torch.where(rounded.abs() > largest, rounded.sign() * torch.inf, rounded)


def to_format__clamps_instead_of_overflowing(x, exponent_bits, mantissa_bits):
    bias = 2 ** (exponent_bits - 1) - 1
    spacing = 2.0 ** ((torch.frexp(x)[1] - 1).clamp(min=1 - bias) - mantissa_bits)
    largest = (2 - 2.0**-mantissa_bits) * 2.0**bias
    return ((x / spacing).round() * spacing).clamp(-largest, largest)
