"""What a learner might write instead."""

def importance__by_size(p, lam, q, gradients):
    return lam.abs() + p.abs().mean(-2) + q.abs().mean(-1)


def importance__by_gradient(p, lam, q, gradients):
    gp, gl, gq = gradients
    return gl.abs() + gp.abs().mean(-2) + gq.abs().mean(-1)
