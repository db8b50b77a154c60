"""What a learner might write instead."""


def coordinates__first_axis_turns_fastest(rank, sizes):
    digits = []
    for size in sizes:
        digits.append(rank % size)
        rank //= size
    return tuple(digits)


def coordinates__forgets_the_slower_axes(rank, sizes):
    digits = []
    for size in reversed(sizes):
        digits.append(rank % size)
    return tuple(reversed(digits))
