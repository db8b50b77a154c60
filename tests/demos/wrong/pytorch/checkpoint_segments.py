"""Plausible wrong bodies of the exercise of pytorch/checkpoint_segments."""


def peak__forgets_the_segment(layers, k, i, a):
    """Only what is kept between the passes: what is recomputed is taken to cost nothing."""
    return layers / k * i


def peak__counts_one_block(layers, k, i, a):
    """One block is held at a time, as if a segment's blocks were recomputed one by one."""
    return (layers / k - 1) * i + a
