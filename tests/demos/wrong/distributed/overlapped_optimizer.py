"""What a learner might write instead."""


def step_seconds__waits_for_all_of_backward(forward, backward, sends, delay):
    """Reductions begin when all gradients are there."""
    compute = sum(backward)
    compute = link = compute + sum(sends) + delay * len(sends)
    for work, send in zip(forward, sends, strict=True):
        link += delay + send
        compute = max(compute, link) + work
    return compute


def step_seconds__runs_collectives_at_once(forward, backward, sends, delay):
    """As if the link carried all of them at the same time at full speed."""
    compute = done = 0.0
    for work, send in zip(reversed(backward), reversed(sends), strict=True):
        compute += work
        done = max(done, compute + delay + send)
    start = compute = max(compute, done)
    for work, send in zip(forward, sends, strict=True):
        compute = max(compute, start + delay + send) + work
    return compute


def step_seconds__forgets_the_delay(forward, backward, sends, delay):
    compute = link = 0.0
    for work, send in zip(reversed(backward), reversed(sends), strict=True):
        compute += work
        link = max(link, compute) + send
    compute = link = max(link, compute)
    for work, send in zip(forward, sends, strict=True):
        link += send
        compute = max(compute, link) + work
    return compute
