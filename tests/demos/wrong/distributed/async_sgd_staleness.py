"""What a learner might write instead."""


def delayed_descent__takes_the_fresh_point(start, rate, curvature, delay, steps):
    x = [start]
    for t in range(steps):
        x.append(x[t] - rate * curvature * x[t])
    return x


def delayed_descent__one_update_too_fresh(start, rate, curvature, delay, steps):
    x = [start]
    for t in range(steps):
        x.append(x[t] - rate * curvature * x[max(t - max(delay - 1, 0), 0)])
    return x


def delayed_descent__forgets_the_curvature(start, rate, curvature, delay, steps):
    """The point itself in place of the gradient."""
    x = [start]
    for t in range(steps):
        x.append(x[t] - rate * x[max(t - delay, 0)])
    return x
