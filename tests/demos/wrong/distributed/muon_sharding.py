"""What a learner might write instead."""
# ruff: noqa: F821


def orthogonalise__stops_after_one_step(g):
    """The small singular values are still small."""
    a, b, c = QUINTIC
    x = g / g.norm()
    square = x @ x.T
    return a * x + (b * square + c * square @ square) @ x


def orthogonalise__multiplies_entries(g):
    """The polynomial of every number instead of every singular value."""
    a, b, c = QUINTIC
    x = g / g.norm()
    for _ in range(STEPS):
        x = a * x + b * x**3 + c * x**5
    return x


def orthogonalise__takes_the_sign(g):
    return torch.sign(g)


def assign__in_turn(sizes, ranks):
    return [k % ranks for k in range(len(sizes))]


def assign__fills_one_rank(sizes, ranks):
    return [0] * len(sizes)


def assign__smallest_first(sizes, ranks):
    """The large ones come last, when all ranks are equally full: one overflows."""
    loads, owner = [0] * ranks, [0] * len(sizes)
    for k in sorted(range(len(sizes)), key=lambda k: sizes[k]):
        owner[k] = loads.index(min(loads))
        loads[owner[k]] += sizes[k]
    return owner
