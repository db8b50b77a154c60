"""What a learner might write instead."""


def parity__bends_twice_only(x):
    s = x.sum(-1)
    return 1 - (s + 4).relu() + 2 * (s + 2).relu() - 2 * s.relu()


def parity__has_no_activation(x):
    s = x.sum(-1)
    return 1 - (s + 4) + 2 * (s + 2) - 2 * s + 2 * (s - 2)


def parity__forgets_the_line(x):
    s = x.sum(-1)
    return 1 + 2 * (s + 2).relu() - 2 * s.relu() + 2 * (s - 2).relu()
