"""Plausible wrong bodies of the exercise of moe/expert_granularity."""


def cut__cuts_the_output(up, down, m):
    """`down` is cut along the width, and `up` is left whole."""
    return [(up, part) for part in down.chunk(m, 1)]


def cut__keeps_the_rows_of_the_first(up, down, m):
    """Every slice gets the same rows of `down`."""
    return [(part, down.chunk(m, 0)[0]) for part in up.chunk(m, 1)]
