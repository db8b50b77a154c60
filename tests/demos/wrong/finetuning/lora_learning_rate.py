"""What a learner might write instead."""

def first_change__steps_by_the_gradient(g, a, lr, scale):
    return scale * (-lr * (scale * g @ a.T)) @ a


def first_change__forgets_the_outer_scale(g, a, lr, scale):
    return -lr * (scale * g @ a.T).sign() @ a
