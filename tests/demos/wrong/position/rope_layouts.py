"""What a learner might write instead."""
# ruff: noqa: F821


def halves__turns_backwards(x, angle):
    first, second = x.chunk(2, -1)
    both = angle.repeat(1, 2)
    return x * both.cos() + torch.cat((second, -first), -1) * both.sin()


def halves__repeats_each_angle(x, angle):
    first, second = x.chunk(2, -1)
    both = angle.repeat_interleave(2, 1)
    return x * both.cos() + torch.cat((-second, first), -1) * both.sin()


def halves__swaps_without_sign(x, angle):
    first, second = x.chunk(2, -1)
    both = angle.repeat(1, 2)
    return x * both.cos() + torch.cat((second, first), -1) * both.sin()
