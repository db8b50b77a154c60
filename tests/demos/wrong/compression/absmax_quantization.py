"""What a learner might write instead."""


def quantize__truncates(w, bits, group):
    blocks = w.unflatten(1, (-1, group))
    scale = blocks.abs().amax(2) / (2 ** (bits - 1) - 1)
    return (blocks / scale[..., None]).trunc().flatten(1), scale


def quantize__uses_all_codes(w, bits, group):
    """2^bits steps on each side: the integers no longer fit the format, and the noise is too small to be true."""
    blocks = w.unflatten(1, (-1, group))
    scale = blocks.abs().amax(2) / (2**bits - 1)
    return (blocks / scale[..., None]).round().flatten(1), scale


def quantize__forgets_the_sign(w, bits, group):
    """The largest number, not the largest magnitude: negative weights are cut off."""
    blocks = w.unflatten(1, (-1, group))
    top = 2 ** (bits - 1) - 1
    scale = blocks.amax(2) / top
    return (blocks / scale[..., None]).round().clamp(-top, top).flatten(1), scale
