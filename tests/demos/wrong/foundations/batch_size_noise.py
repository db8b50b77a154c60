"""Plausible wrong bodies of the exercises of demos/foundations/batch_size_noise.py."""


def noise_scale__one_batch(small_square, large_square, small, large):
    """The large batch's square as if it had no noise."""
    return (small_square - large_square) / (1 / small - 1 / large) / large_square


def noise_scale__forgets_the_sizes(small_square, large_square, small, large):
    return (small_square - large_square) / large_square


def noise_scale__swaps_them(small_square, large_square, small, large):
    """The weights of the two batches the other way round."""
    gradient_square = (small * large_square - large * small_square) / (small - large)
    return (small_square - large_square) / (1 / small - 1 / large) / gradient_square
