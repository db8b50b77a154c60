"""Plausible wrong bodies of the exercise of normalization/rmsnorm."""

import torch


def rms_norm__divides_by_the_deviation(x, gain, eps):
    """The variance about the mean in the denominator."""
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    return (wide / (wide.var(-1, correction=0, keepdim=True) + eps).sqrt() * gain).to(x.dtype)


def rms_norm__eps_outside_the_root(x, gain, eps):
    """ε added to the root."""
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    return (wide / (wide.square().mean(-1, keepdim=True).sqrt() + eps) * gain).to(x.dtype)


def rms_norm__squares_in_the_input_dtype(x, gain, eps):
    """fp16 squares overflow above 255."""
    return (x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps) * gain).to(x.dtype)


def rms_norm__sums_instead_of_averaging(x, gain, eps):
    """The length instead of the root mean square."""
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    return (wide * torch.rsqrt(wide.square().sum(-1, keepdim=True) + eps) * gain).to(x.dtype)


def rms_norm__forgets_to_cast_back(x, gain, eps):
    """Half precision in, float32 out."""
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    return wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + eps) * gain
