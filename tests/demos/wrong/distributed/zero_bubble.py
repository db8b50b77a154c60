"""What a learner might write instead."""


def split_backward__swaps_the_two(x, w, dy):
    return x @ w.T @ w, dy.T @ x


def split_backward__forgets_the_second(x, w, dy):
    return dy @ w, 0 * w


def split_backward__takes_the_output(x, w, dy):
    return dy @ w, (x @ w.T).T @ x
