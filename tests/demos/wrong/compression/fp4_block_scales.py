"""What a learner might write instead."""
# ruff: noqa: F821


def block_quantize__one_scale_for_all(x, block, scale):
    step = 2.0 ** (torch.frexp(x.abs().max())[1] - 3)
    return to_e2m1(x / step) * step


def block_quantize__scales_to_one(x, block, scale):
    """The largest of a block is mapped to 1: only three of eight magnitudes are used."""
    blocks = x.unflatten(1, (-1, block))
    largest = blocks.abs().amax(2, keepdim=True)
    return (to_e2m1(blocks / largest) * largest).flatten(1)


def block_quantize__forgets_to_scale_back(x, block, scale):
    blocks = x.unflatten(1, (-1, block))
    largest = blocks.abs().amax(2, keepdim=True)
    step = 2.0 ** (torch.frexp(largest)[1] - 3)
    return to_e2m1(blocks / step).flatten(1)
