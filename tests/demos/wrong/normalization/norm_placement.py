"""Plausible wrong bodies of the exercise of normalization/norm_placement."""


def sublayer__normalises_the_skip(h, branch, norm, place):
    """In pre-norm the data is normalised before it enters the residual: the skip carries the norm."""
    if place == "post":
        return norm(h + branch(h))
    if place in ("pre", "sandwich"):
        h = norm(h)
    update = branch(h)
    return h + (norm(update) if place in ("inside", "sandwich") else update)


def sublayer__post_without_the_skip(h, branch, norm, place):
    """Post-norm normalises the branch's output and then adds: that is the norm inside."""
    update = branch(norm(h) if place in ("pre", "sandwich") else h)
    return h + (update if place == "pre" else norm(update))


def sublayer__sandwich_without_its_output_norm(h, branch, norm, place):
    """A sandwich that normalises the input alone."""
    if place == "post":
        return norm(h + branch(h))
    update = branch(norm(h) if place in ("pre", "sandwich") else h)
    return h + (norm(update) if place == "inside" else update)


def sublayer__sandwich_reads_the_raw_stream(h, branch, norm, place):
    """A sandwich that normalises the branch's output alone."""
    if place == "post":
        return norm(h + branch(h))
    update = branch(norm(h) if place == "pre" else h)
    return h + (norm(update) if place in ("inside", "sandwich") else update)
