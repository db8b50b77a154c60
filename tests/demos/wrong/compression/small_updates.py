"""What a learner might write instead."""
# ruff: noqa: F821


def round_stochastically__rounds_to_the_nearest(x, u):
    return x.bfloat16()


def round_stochastically__adds_noise_of_the_wrong_size(x, u):
    """Half the noise that would be needed."""
    bits = x.view(torch.int32)
    return ((bits + (u * 2**15).int()) & ~0xFFFF).view(torch.float32).bfloat16()


def round_stochastically__always_rounds_up(x, u):
    bits = x.view(torch.int32)
    return ((bits + 0xFFFF) & ~0xFFFF).view(torch.float32).bfloat16()
