"""What a learner might write instead."""


def buckets__closes_before_it_is_full(sizes, first, cap):
    """A bucket never exceeds its limit: one that would is closed first."""
    closed, open_, held = [], [], 0
    for index, size in enumerate(sizes):
        if open_ and held + size > (cap if closed else first):
            closed.append(open_)
            open_, held = [], 0
        open_.append(index)
        held += size
    return [*closed, open_] if open_ else closed


def buckets__keeps_the_first_limit(sizes, first, cap):
    closed, open_, held = [], [], 0
    for index, size in enumerate(sizes):
        open_.append(index)
        held += size
        if held >= first:
            closed.append(open_)
            open_, held = [], 0
    return [*closed, open_] if open_ else closed


def buckets__drops_the_rest(sizes, first, cap):
    closed, open_, held = [], [], 0
    for index, size in enumerate(sizes):
        open_.append(index)
        held += size
        if held >= (cap if closed else first):
            closed.append(open_)
            open_, held = [], 0
    return closed
