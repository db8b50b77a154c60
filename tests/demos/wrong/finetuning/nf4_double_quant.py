"""What a learner might write instead."""
# ruff: noqa: F821

def quantize__one_scale_for_all(w, levels, block):
    blocks = w.reshape(-1, block)
    scales = w.abs().max().expand(len(blocks), 1)
    codes = torch.bucketize(blocks / scales, (levels[1:] + levels[:-1]) / 2)
    return codes.to(torch.uint8), scales, (levels[codes] * scales).reshape(w.shape)


def quantize__takes_the_level_below(w, levels, block):
    blocks = w.reshape(-1, block)
    scales = blocks.abs().amax(1, keepdim=True)
    codes = (torch.bucketize(blocks / scales, levels, right=True) - 1).clamp(0)
    return codes.to(torch.uint8), scales, (levels[codes] * scales).reshape(w.shape)


def quantize__forgets_to_scale_back(w, levels, block):
    blocks = w.reshape(-1, block)
    scales = blocks.abs().amax(1, keepdim=True)
    codes = torch.bucketize(blocks / scales, (levels[1:] + levels[:-1]) / 2)
    return codes.to(torch.uint8), scales, levels[codes].reshape(w.shape)
