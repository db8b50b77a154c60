"""What a learner might write instead."""

def gradients__forgets_the_other_factor(x, g, a, b, scale):
    full = scale * g.T @ x
    return full[: a.shape[0]], full[:, : b.shape[1]]


def gradients__forgets_the_scale(x, g, a, b, scale):
    return b.T @ g.T @ x, g.T @ (x @ a.T)
